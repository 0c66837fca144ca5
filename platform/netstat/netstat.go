// SPDX-License-Identifier: Apache-2.0

// Package netstat lists sockets and interfaces in every way that Linux offers:
// sock_diag(7), /proc/net, packet diag, rtnetlink(7), and bind(2) on a port.
// The ways are kept apart on purpose, because a caller wants to see where they
// differ. All of it is about the network namespace of this process. Parsers
// take bytes; nothing here changes a setting, and the only thing it occupies
// is the port that it tries to bind, for the time of one call.
package netstat

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// The states of TCP that matter here; include/net/tcp_states.h.
const (
	// Close is, for TCP, a socket that was bound and neither listens nor is
	// connected. Linux 6.8 and later list it through sock_diag only.
	Close  = 7
	Listen = 10
)

// Socket is one socket of a listing.
type Socket struct {
	Proto  string // "tcp", "udp" or "raw"
	V6     bool
	Local  netip.AddrPort // the port of a raw socket is its protocol
	Remote netip.AddrPort
	State  uint8
	UID    uint32
	Inode  uint32 // 0: nobody's any more (TIME_WAIT), or the kernel's own
}

// Table is one of the listings: a protocol over one version of IP.
type Table struct {
	Proto string // "tcp", "udp" or "raw"
	V6    bool
}

// Tables lists what is compared.
func Tables() []Table {
	return []Table{{"tcp", false}, {"tcp", true}, {"udp", false}, {"udp", true}, {"raw", false}, {"raw", true}}
}

// Name is the table's file below /proc/net.
func (t Table) Name() string {
	if t.V6 {
		return t.Proto + "6"
	}
	return t.Proto
}

// ProcNet reads a table from /proc/net. Where the kernel has no IPv6 the
// error is fs.ErrNotExist.
func ProcNet(h paths.Host, t Table) ([]Socket, error) {
	b, err := os.ReadFile(h.ProcPath("net", t.Name()))
	if err != nil {
		return nil, err
	}
	return ParseProcNet(b, t), nil
}

// ParseProcNet reads a table of /proc/net, proc_pid_net(5); lines that make
// no sense, the heading among them, are skipped.
func ParseProcNet(b []byte, t Table) []Socket {
	var list []Socket
	for line := range strings.Lines(string(b)) {
		if s, ok := parseProcNetLine(strings.Fields(line)); ok && s.V6 == t.V6 {
			s.Proto = t.Proto
			list = append(list, s)
		}
	}
	return list
}

func parseProcNetLine(f []string) (Socket, bool) {
	if len(f) < 10 {
		return Socket{}, false
	}
	local, err1 := parseHexAddr(f[1])
	remote, err2 := parseHexAddr(f[2])
	state, err3 := strconv.ParseUint(f[3], 16, 8)
	uid, err4 := strconv.ParseUint(f[7], 10, 32)
	inode, err5 := strconv.ParseUint(f[9], 10, 64)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return Socket{}, false
		}
	}
	return Socket{
		V6: local.Addr().Is6(), Local: local, Remote: remote,
		State: uint8(state), UID: uint32(uid), Inode: uint32(inode),
	}, true
}

// parseHexAddr reads "0100007F:0016": words of 32 bits, each in the machine's
// byte order.
func parseHexAddr(s string) (netip.AddrPort, error) {
	addr, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(addr)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("parse address %q", s)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i < len(raw); i += 4 {
		word := uint32(raw[i])<<24 | uint32(raw[i+1])<<16 | uint32(raw[i+2])<<8 | uint32(raw[i+3])
		putNative(raw[i:], word)
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// PacketSocket is a socket that sees frames of an interface.
type PacketSocket struct {
	Inode   uint32
	Type    int    // 2: without link header, 3: whole frames
	Proto   uint16 // EtherType; 3: every frame
	Index   int    // interface; 0: all
	UID     uint32
	Filter  []Instruction // the attached classic BPF program; needs CAP_NET_ADMIN
	HasInfo bool          // the fields from Index on were told
}

// Instruction is one of a classic BPF filter, struct sock_filter.
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// ProcPacket reads /proc/net/packet, which shows everything but the filter.
func ProcPacket(h paths.Host) ([]PacketSocket, error) {
	b, err := os.ReadFile(h.ProcPath("net", "packet"))
	if err != nil {
		return nil, err
	}
	return ParseProcPacket(b), nil
}

// ParseProcPacket reads "sk RefCnt Type Proto Iface R Rmem User Inode".
func ParseProcPacket(b []byte) []PacketSocket {
	var list []PacketSocket
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 {
			continue
		}
		kind, err1 := strconv.Atoi(f[2])
		proto, err2 := strconv.ParseUint(f[3], 16, 16)
		index, err3 := strconv.Atoi(f[4])
		uid, err4 := strconv.ParseUint(f[7], 10, 32)
		inode, err5 := strconv.ParseUint(f[8], 10, 64)
		if err1 == nil && err2 == nil && err3 == nil && err4 == nil && err5 == nil {
			list = append(list, PacketSocket{
				Type: kind, Proto: uint16(proto), Index: index,
				UID: uint32(uid), Inode: uint32(inode), HasInfo: true,
			})
		}
	}
	return list
}

// Link is a network interface as rtnetlink tells of it.
type Link struct {
	Index       int
	Name        string
	Kind        string // "bridge", "bond", "macvlan" …; "" for hardware
	Master      int    // index of the bridge or bond it is a port of; 0: none
	Parent      int    // index of the interface below a macvlan or VLAN; 0: none
	Promiscuity int    // how many users asked for every frame
}

// PromiscFlag is IFF_PROMISC of /sys/class/net/IF/flags.
const PromiscFlag = 0x100

// SysFlags reads /sys/class/net/IF/flags.
func SysFlags(h paths.Host, name string) (uint64, error) {
	b, err := os.ReadFile(h.SysPath("class", "net", name, "flags"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x"), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("read flags of interface: %w", err)
	}
	return n, nil
}
