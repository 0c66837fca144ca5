// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// hexWord spells four bytes as this machine's kernel does in /proc/net.
func hexWord(a, b, c, d byte) string {
	const digits = "0123456789ABCDEF"
	v := native.Uint32([]byte{a, b, c, d})
	var out [8]byte
	for i := range out {
		out[i] = digits[v>>(28-4*i)&15]
	}
	return string(out[:])
}

func TestParseProcNet(t *testing.T) {
	zero := hexWord(0, 0, 0, 0)
	v4 := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: " + hexWord(127, 0, 0, 1) + ":0016 " + zero + ":0000 0A 00000000:00000000 00:00000000 00000000  1000        0 18446744073709551615 1 0\n" +
		"   1: xyz:0016 00000000:0000 0A 0:0 00:0 0 0 0 1\n"
	got := ParseProcNet([]byte(v4), Table{Proto: "tcp"})
	want := []Socket{{
		Proto: "tcp", Local: netip.MustParseAddrPort("127.0.0.1:22"), Remote: netip.MustParseAddrPort("0.0.0.0:0"),
		State: Listen, UID: 1000, Inode: 1<<32 - 1,
	}}
	if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
		t.Errorf("tcp (-want +got):\n%s", diff)
	}
	v6 := "   0: " + hexWord(0x20, 1, 0xd, 0xb8) + zero + zero + hexWord(0, 0, 0, 1) + ":01BB " +
		zero + zero + zero + zero + ":0000 07 0:0 00:0 0 0 0 42 2 0\n"
	got = ParseProcNet([]byte(v6), Table{Proto: "udp", V6: true})
	if len(got) != 1 || got[0].Local != netip.MustParseAddrPort("[2001:db8::1]:443") || got[0].Inode != 42 {
		t.Errorf("udp6: %+v", got)
	}
	if got := ParseProcNet([]byte(v6), Table{Proto: "udp"}); len(got) != 0 {
		t.Errorf("an IPv6 line is no part of the IPv4 table: %+v", got)
	}
}

func TestParseProcPacket(t *testing.T) {
	got := ParseProcPacket([]byte("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n" +
		"0000000000000000 3      3    0003   2     1 0      100    4711\nshort\n"))
	want := []PacketSocket{{Inode: 4711, Type: 3, Proto: 3, Index: 2, UID: 100, HasInfo: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
}

func TestParseLink(t *testing.T) {
	attr := func(kind uint16, value ...byte) []byte {
		b := make([]byte, 4, 4+len(value)+3)
		native.PutUint16(b, uint16(4+len(value)))
		native.PutUint16(b[2:], kind)
		b = append(b, value...)
		return append(b, make([]byte, (4-len(value)%4)%4)...)
	}
	word := func(n uint32) []byte { b := make([]byte, 4); native.PutUint32(b, n); return b }
	msg := make([]byte, ifInfoMsgLen)
	native.PutUint32(msg[4:], 7)
	for _, a := range [][]byte{
		attr(iflaName, []byte("veth0\x00")...), attr(iflaMaster, word(3)...), attr(iflaPromiscuity, word(2)...),
		attr(iflaInfo|0x8000, attr(iflaInfoKind, []byte("veth\x00")...)...), {9, 0, 1, 0}, // the last claims more than there is
	} {
		msg = append(msg, a...)
	}
	got, err := ParseLink(msg)
	want := Link{Index: 7, Name: "veth0", Kind: "veth", Master: 3, Promiscuity: 2}
	if err != nil || got != want {
		t.Errorf("ParseLink = %+v, %v, want %+v", got, err, want)
	}
}

// FuzzNetlink: no datagram may crash the parsers.
func FuzzNetlink(f *testing.F) {
	f.Add(make([]byte, 80))
	f.Add([]byte{20, 0, 0, 0, 3, 0, 0, 0, 8, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 4, 0, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseInetDiag(b, "tcp")
		ParsePacketDiag(b)
		ParseLink(b)
		ParseProcNet(b, Table{"tcp", true})
		ParseProcPacket(b)
	})
}
