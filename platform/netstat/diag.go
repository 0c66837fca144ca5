// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

var native = binary.NativeEndian

func putNative(b []byte, v uint32) { native.PutUint32(b, v) }

var errShort = errors.New("parse netlink: message too short")

// The sizes of linux/inet_diag.h, linux/packet_diag.h and linux/rtnetlink.h.
const (
	inetDiagMsgLen   = 72
	packetDiagMsgLen = 16
	ifInfoMsgLen     = 16
)

// Address families of Linux, which the parsers need everywhere.
const (
	afInet  = 2
	afInet6 = 10
)

// ParseInetDiag reads one inet_diag_msg.
func ParseInetDiag(b []byte, proto string) (Socket, error) {
	if len(b) < inetDiagMsgLen {
		return Socket{}, errShort
	}
	s := Socket{Proto: proto, V6: b[0] == afInet6, State: b[1]}
	id := b[4:52]
	s.Local = diagAddr(s.V6, id[4:20], id[0:2])
	s.Remote = diagAddr(s.V6, id[20:36], id[2:4])
	s.UID = native.Uint32(b[64:])
	s.Inode = native.Uint32(b[68:])
	return s, nil
}

func diagAddr(v6 bool, addr, port []byte) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(addr))
	if !v6 {
		ip = netip.AddrFrom4([4]byte(addr[:4]))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port))
}

// Attributes of packet_diag.
const (
	packetDiagInfo   = 0
	packetDiagUID    = 5
	packetDiagFilter = 7
)

// ParsePacketDiag reads one packet_diag_msg with its attributes.
func ParsePacketDiag(b []byte) (PacketSocket, error) {
	if len(b) < packetDiagMsgLen {
		return PacketSocket{}, errShort
	}
	s := PacketSocket{Type: int(b[1]), Proto: native.Uint16(b[2:]), Inode: native.Uint32(b[4:])}
	for kind, value := range attributes(b[packetDiagMsgLen:]) {
		switch {
		case kind == packetDiagInfo && len(value) >= 4:
			s.Index, s.HasInfo = int(native.Uint32(value)), true
		case kind == packetDiagUID && len(value) >= 4:
			s.UID = native.Uint32(value)
		case kind == packetDiagFilter:
			s.Filter = parseFilter(value)
		}
	}
	return s, nil
}

func parseFilter(b []byte) []Instruction {
	var prog []Instruction
	for ; len(b) >= 8; b = b[8:] {
		prog = append(prog, Instruction{Code: native.Uint16(b), JT: b[2], JF: b[3], K: native.Uint32(b[4:])})
	}
	return prog
}

// Attributes of rtnetlink's links.
const (
	iflaName        = 3
	iflaLink        = 5
	iflaMaster      = 10
	iflaInfo        = 18
	iflaPromiscuity = 30
	iflaInfoKind    = 1 // within iflaInfo
)

// ParseLink reads one ifinfomsg with its attributes.
func ParseLink(b []byte) (Link, error) {
	if len(b) < ifInfoMsgLen {
		return Link{}, errShort
	}
	l := Link{Index: int(int32(native.Uint32(b[4:])))}
	for kind, value := range attributes(b[ifInfoMsgLen:]) {
		switch {
		case kind == iflaName:
			l.Name = cString(value)
		case kind == iflaLink && len(value) >= 4:
			l.Parent = int(native.Uint32(value))
		case kind == iflaMaster && len(value) >= 4:
			l.Master = int(native.Uint32(value))
		case kind == iflaPromiscuity && len(value) >= 4:
			l.Promiscuity = int(native.Uint32(value))
		case kind == iflaInfo:
			for k, v := range attributes(value) {
				if k == iflaInfoKind {
					l.Kind = cString(v)
				}
			}
		}
	}
	return l, nil
}

func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// attributes yields type and value of each netlink attribute; a broken length
// ends the walk.
func attributes(b []byte) func(yield func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		for len(b) >= 4 {
			size, kind := int(native.Uint16(b)), int(native.Uint16(b[2:])&0x3fff)
			if size < 4 || size > len(b) {
				return
			}
			if !yield(kind, b[4:size]) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}
