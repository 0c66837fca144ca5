// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"errors"
	"io/fs"
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
	"hids/platform/paths"
)

// TestListingsAgree: a listening socket of ours stands in both listings, with
// the same inode, and its port cannot be bound.
func TestListingsAgree(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	ours := func(s Socket) bool { return s.State == Listen && int(s.Local.Port()) == port }

	fromProc, err := ProcNet(paths.Host{}, Table{Proto: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	fromDiag, err := SockDiag(Table{Proto: "tcp"})
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	i, j := slices.IndexFunc(fromProc, ours), slices.IndexFunc(fromDiag, ours)
	if i < 0 || j < 0 || fromProc[i] != fromDiag[j] {
		t.Errorf("port %d: at %d of /proc/net, at %d of sock_diag", port, i, j)
	}
	b, err := NewBinder("tcp")
	if err != nil {
		t.Fatal(err)
	}
	if used, err := b.InUse(port); !used || err != nil {
		t.Errorf("InUse(%d) = %v, %v", port, used, err)
	}
}

func TestTables(t *testing.T) {
	for _, table := range Tables() {
		if _, err := ProcNet(paths.Host{}, table); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if _, err := SockDiag(table); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
}

func TestLinksHasLoopback(t *testing.T) {
	links, err := Links()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(links, func(l Link) bool { return l.Name == "lo" }) {
		t.Errorf("no loopback among %+v", links)
	}
}

// TestPacketDiagShowsFilter opens a packet socket with a filter of one
// instruction and finds both.
func TestPacketDiagShowsFilter(t *testing.T) {
	testenv.Root(t)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer unix.Close(fd)
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	list, err := PacketDiag()
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(s PacketSocket) bool { return s.Inode == uint32(st.Ino) })
	if i < 0 || len(list[i].Filter) != 1 || list[i].Filter[0].Code != drop.Code {
		t.Errorf("socket %d at %d of %+v", st.Ino, i, list)
	}
}

func BenchmarkBind(b *testing.B) {
	binder, err := NewBinder("tcp")
	if err != nil {
		b.Skip(err)
	}
	port := 0
	for b.Loop() {
		port = (port + 1) % 65536
		binder.InUse(port)
	}
}
