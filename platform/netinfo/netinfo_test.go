// SPDX-License-Identifier: Apache-2.0

package netinfo

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hids/platform/paths"
)

func addrs(s ...string) []netip.Addr {
	var as []netip.Addr
	for _, a := range s {
		as = append(as, netip.MustParseAddr(a))
	}
	return as
}

func equal(t *testing.T, got []netip.Addr, want ...string) {
	t.Helper()
	if d := cmp.Diff(addrs(want...), got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

func TestParseRoutes(t *testing.T) {
	// As a little-endian machine writes it.
	v4 := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n" +
		"tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" + // 0.0.0.0/1
		"ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n" + // no gateway
		"bad\t00000000\tXX\t0003\t0\t0\t0\t00000000\t0\t0\t0\nshort\n"
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		equal(t, parseRoute4([]byte(v4)), "192.168.1.1")
	}
	zero := "00000000000000000000000000000000"
	v6 := zero + " 00 " + zero + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 eth0\n" +
		zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200 lo\n" +
		"20010db8000000000000000000000000 20 " + zero + " 00 fe800000000000000000000000000002 00000400 0 0 00000003 eth0\nshort\n"
	equal(t, parseRoute6([]byte(v6)), "fe80::1")
}

func TestResolvers(t *testing.T) {
	h := tree(t, map[string]string{
		"etc/resolv.conf":                 "# nameserver 1.1.1.1\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver x\noptions a\n",
		"run/systemd/resolve/resolv.conf": "nameserver ::ffff:9.9.9.9\n",
	})
	got, err := Resolvers(h)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, "127.0.0.53", "fe80::1", "9.9.9.9")
	if none, err := Resolvers(paths.Host{Root: t.TempDir()}); err != nil || len(none) != 0 {
		t.Errorf("no file: %v, %v", none, err)
	}
}

func tree(t *testing.T, files map[string]string) paths.Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths.Host{Root: root}
}

func utmpRecord(size, addrAt, kind, pid int, user, host string, addr ...byte) string {
	b := make([]byte, size)
	binary.NativeEndian.PutUint16(b, uint16(kind))
	binary.NativeEndian.PutUint32(b[4:], uint32(pid))
	copy(b[44:76], user)
	copy(b[76:332], host)
	copy(b[addrAt:addrAt+16], addr)
	return string(b)
}

func TestAdminPeers(t *testing.T) {
	const alivePID, gonePID = 100, 200
	for _, size := range []struct{ rec, addr int }{{384, 348}, {400, 360}} {
		t.Run(strconv.Itoa(size.rec), func(t *testing.T) {
			rec := func(kind, pid int, user, host string, addr ...byte) string {
				return utmpRecord(size.rec, size.addr, kind, pid, user, host, addr...)
			}
			h := tree(t, map[string]string{
				"etc/passwd": "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nop:x:1002:27::/:/bin/sh\n",
				"etc/group":  "root:x:0:\nsudo:x:27:ann,\nusers:x:100:bob\n",
				"run/utmp": rec(7, alivePID, "ann", "192.0.2.1") + rec(7, alivePID, "bob", "192.0.2.2") +
					rec(8, alivePID, "root", "192.0.2.3") + rec(7, gonePID, "root", "192.0.2.4") +
					rec(7, alivePID, "toor", "host.example", 192, 0, 2, 5) + rec(7, alivePID, "op", "2001:db8::6%eth0") +
					rec(7, alivePID, "root", ":0") + rec(7, alivePID, "ann", "::ffff:192.0.2.1"),
				"run/systemd/sessions/3":     "# private\nUSER=root\nREMOTE=1\nREMOTE_HOST=192.0.2.7\nLEADER=100\n",
				"run/systemd/sessions/4":     "USER=root\nREMOTE=0\nREMOTE_HOST=192.0.2.8\nLEADER=100\n",
				"run/systemd/sessions/4.ref": "USER=root\nREMOTE=1\nREMOTE_HOST=192.0.2.9\nLEADER=100\n",
				"proc/100/stat":              "",
			})
			got, err := AdminPeers(h)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, "192.0.2.1", "192.0.2.5", "2001:db8::6", "192.0.2.7")
		})
	}
}

// Of any number of sessions all are found: 24 long records are as many bytes as
// 25 short ones.
func TestUtmpLayout(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, want := range utmpLayouts(arch) {
			rec := utmpRecord(want.size, want.addrAt, utmpUserProcess, 1234, "root", "203.0.113.9")
			for n := 1; n <= 50; n++ {
				if got := chooseLayout([]byte(strings.Repeat(rec, n)), utmpLayouts(arch)); got != want {
					t.Errorf("%s, %d records of %d bytes: read as records of %d", arch, n, want.size, got.size)
				}
			}
		}
	}
	const n = 24
	rec := utmpRecord(400, 360, utmpUserProcess, 1234, "root", "203.0.113.9")
	if got := parseUtmp([]byte(strings.Repeat(rec, n))); len(got) != n {
		t.Errorf("%d of %d sessions found", len(got), n)
	}
}

// Where both layouts are possible this machine's is taken.
func TestUtmpLayoutOfMachine(t *testing.T) {
	for arch, size := range map[string]int{"amd64": 384, "arm64": 400} {
		for _, n := range []int{0, 1, 384 * 25} {
			if got := chooseLayout(make([]byte, n), utmpLayouts(arch)); got.size != size {
				t.Errorf("%s, %d bytes: records of %d", arch, n, got.size)
			}
		}
	}
}

func TestThisMachine(t *testing.T) {
	own, err := Own()
	if err != nil || !slices.Contains(own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("own addresses %v, %v", own, err)
	}
	if _, err := Gateways(paths.Host{}); err != nil && runtime.GOOS == "linux" {
		t.Error(err)
	}
	if _, err := AdminPeers(paths.Host{}); err != nil {
		t.Error(err)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte(utmpRecord(384, 348, 7, 1, "u", "h")))
	f.Add([]byte("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"))
	f.Add([]byte("REMOTE=1\nREMOTE_HOST=1.2.3.4\nLEADER=1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parseUtmp(data)
		parseRoute4(data)
		parseRoute6(data)
		parseResolvConf(data)
		parseLogind(data)
		parseAdmins(data, bytes.Clone(data))
	})
}
