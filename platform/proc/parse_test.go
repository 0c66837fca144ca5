// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	got, err := ParseStat([]byte("42 (a) b) S 1 42 42 34816 42 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n"))
	want := Stat{PID: 42, Comm: "a) b", State: 'S', PPID: 1, TTY: 34816, Flags: 4194560, Start: 777}
	if err != nil || got != want {
		t.Errorf("ParseStat = %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 (", "1 (a) S 1", "x (a) S " + strings.Repeat("1 ", 30), "1 )a( S"} {
		if s, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("ParseStat(%q) = %+v, want an error", bad, s)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := ParseStatus([]byte("Name:\tx: y\nTgid:\t7\nPid:\t8\nTracerPid:\t9\nUid:\t1\t2\t3\t4\nNSpid:\t8\t1\nCapEff:\t0000000000000084\nNoNewPrivs:\t1\n"))
	want := Status{Name: "x: y", Tgid: 7, Pid: 8, TracerPid: 9, UID: 2, NSpid: []int{8, 1}, CapEff: 0x84, NoNewPriv: true}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if _, err := ParseStatus([]byte("Name:\tx\n")); err == nil {
		t.Error("a status without a pid must be refused")
	}
}

func TestParseMountinfo(t *testing.T) {
	got := ParseMountinfo([]byte(`21 26 0:20 / /proc rw,relatime shared:1 - proc proc rw,hidepid=2
broken line
90 21 254:0 /empty\040dir /proc/12 rw - ext4 /dev/vda rw,discard
`))
	want := []Mount{
		{ID: 21, Parent: 26, Device: "0:20", Root: "/", Point: "/proc", Options: "rw,relatime", FSType: "proc", Source: "proc", SuperOptions: "rw,hidepid=2"},
		{ID: 90, Parent: 21, Device: "254:0", Root: "/empty dir", Point: "/proc/12", Options: "rw", FSType: "ext4", Source: "/dev/vda", SuperOptions: "rw,discard"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func TestParseMaps(t *testing.T) {
	got := ParseMaps([]byte(`00400000-00500000 r-xp 00000000 fe:00 99                         /usr/bin/a b (deleted)
7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [stack]
c000000000-c000400000 rw-p 00000000 00:00 0
junk
`))
	want := []Region{{Perms: "r-xp", Inode: 99, Path: "/usr/bin/a b (deleted)"}, {Perms: "rw-p", Path: "[stack]"}, {Perms: "rw-p"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("maps (-want +got):\n%s", diff)
	}
}

func TestParseLoadavg(t *testing.T) {
	if n, err := ParseLoadavg([]byte("0.10 0.20 0.30 3/183 4711\n")); n != 183 || err != nil {
		t.Errorf("ParseLoadavg = %d, %v", n, err)
	}
	if _, err := ParseLoadavg([]byte("0.1 0.2 0.3 3/x 1")); err == nil {
		t.Error("no number must be refused")
	}
}

func TestParseModules(t *testing.T) {
	got := ParseModules([]byte("nvidia 56000000 1 nvidia_modeset, Live 0xffffffffc0000000 (POE)\nxfs 100 0 - Loading 0x0\nshort\n"))
	want := []Module{{Name: "nvidia", State: "Live", Taint: "POE"}, {Name: "xfs", State: "Loading"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

func TestParseSymbols(t *testing.T) {
	long := "ffffffffc0000000 t " + strings.Repeat("x", 200_000) + "\t[big]\n"
	got, err := ParseSymbols(strings.NewReader(`ffffffff81000000 T _text
ffffffff81000100 T bpf_send_signal
ffffffff81000200 T bpf_map_delete_elem
ffffffff81000300 T __bpf_call_base
ffffffffc0001000 t hide_me	[diamorphine]
ffffffffc0002000 t show_me	[diamorphine]
ffffffffc0003000 t ftrace_trampoline	[__builtin__ftrace]
ffffffffc0004000 t bpf_prog_6deef7357e7b4530_sd_fw_egress	[bpf]
ffffffffc0005000 t bpf_trampoline_6442	[bpf]
` + long + "ffffffffc0006000 t last\t[nonewline]"))
	if err != nil {
		t.Fatal(err)
	}
	want := Symbols{
		Modules:  map[string]int{"diamorphine": 2, "big": 1, "nonewline": 1},
		Programs: map[string]string{"6deef7357e7b4530": "sd_fw_egress"},
		Helpers:  map[uint64]string{0xffffffff81000100: "bpf_send_signal"}, CallBase: 0xffffffff81000300,
	}
	// Of a line longer than the buffer the end is enough.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("symbols (-want +got):\n%s", diff)
	}
	if a, b := got.Helper(-0x200), got.Helper(-0x100); a != "bpf_send_signal" || b != "" {
		t.Errorf("helpers %q and %q", a, b)
	}
}

func TestTaintLetters(t *testing.T) {
	if got := TaintLetters(1<<12 | 1<<13 | 1); got != "POE" {
		t.Errorf("TaintLetters = %q, want POE", got)
	}
}

// FuzzParsers: none may panic, whatever a process writes into its own files.
func FuzzParsers(f *testing.F) {
	for _, s := range []string{
		"42 (a) b) S 1 42 42 0 42 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n",
		"Tgid:\t7\nPid:\t8\nUid:\t1\t2\t3\t4\n", `90 21 254:0 /\040 /proc/12 rw - ext4 /dev/vda rw\`,
		"00400000-00500000 r-xp 00000000 fe:00 99   /x", "0 0 0 1/2 3", "a 1 1 - Live 0x0 (O)", "f t bpf_prog_6deef7357e7b4530_x [bpf]", "]", "[]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseStat(b)
		ParseStatus(b)
		ParseMountinfo(b)
		ParseMaps(b)
		ParseLoadavg(b)
		ParseModules(b)
		SplitNUL(b)
		if _, err := ParseSymbols(strings.NewReader(string(b))); err != nil {
			t.Errorf("ParseSymbols: %v", err)
		}
	})
}

func TestParseGroup(t *testing.T) {
	const v1 = "9:name=systemd:/user.slice\n8:cpu,pids:/system.slice/ssh.service\n0::/init.scope\n"
	for _, c := range []struct{ text, controller, want string }{
		{v1, "pids", "/system.slice"},
		{v1, "", "/init.scope"},
		{"0::/user.slice/a:b/c (deleted)\n", "", "/user.slice"},
		{"0::/\n", "", "/"},
		{"", "pids", "/"},
	} {
		if got := parseGroup([]byte(c.text), c.controller); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.text, c.controller, got, c.want)
		}
	}
}
