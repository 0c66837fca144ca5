// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// KernelThread is PF_KTHREAD of Stat.Flags: the task has no user memory and
// never had.
const KernelThread = 0x00200000

// Stat is what is used of /proc/PID/stat, proc_pid_stat(5).
type Stat struct {
	PID   int
	Comm  string // at most 15 bytes, chosen by the process
	State byte   // 'R', 'S', 'D', 'Z' …
	PPID  int
	TTY   int    // 0: no controlling terminal
	Flags uint32 // PF_* of the kernel
	Start uint64 // clock ticks after boot: with PID it identifies the process
}

// Zombie reports whether the process has ended and waits to be reaped.
func (s Stat) Zombie() bool { return s.State == 'Z' || s.State == 'X' }

// ParseStat reads a line of /proc/PID/stat. The name may hold blanks and
// parentheses, so it ends at the last one.
func ParseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return Stat{}, errors.New("parse stat: no name in parentheses")
	}
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 20 || len(f[0]) != 1 {
		return Stat{}, fmt.Errorf("parse stat: %d fields after the name, want 20", len(f))
	}
	s := Stat{Comm: string(b[open+1 : end]), State: f[0][0]}
	n := numberReader{}
	s.PID = n.int(strings.TrimSpace(string(b[:open])))
	s.PPID = n.int(f[1])
	s.TTY = n.int(f[4])
	s.Flags = uint32(n.uint(f[6]))
	s.Start = n.uint(f[19])
	if n.err != nil {
		return Stat{}, fmt.Errorf("parse stat: %w", n.err)
	}
	return s, nil
}

// numberReader keeps the first error, so that a line is read in one go.
type numberReader struct{ err error }

func (n *numberReader) int(s string) int {
	v, err := strconv.Atoi(s)
	if n.err == nil {
		n.err = err
	}
	return v
}

func (n *numberReader) uint(s string) uint64 {
	v, err := strconv.ParseUint(s, 10, 64)
	if n.err == nil {
		n.err = err
	}
	return v
}

func (n *numberReader) hex(s string) uint64 {
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil && n.err == nil {
		n.err = err
	}
	return v
}

// Status is what is used of /proc/PID/status, proc_pid_status(5).
type Status struct {
	Name      string
	Tgid, Pid int
	TracerPid int
	UID       int   // effective
	NSpid     []int // the pid in each namespace, ours first; several: in a container
	CapEff    uint64
	NoNewPriv bool
}

// ParseStatus reads /proc/PID/status. Lines that it does not know are skipped.
func ParseStatus(b []byte) (Status, error) {
	var s Status
	n := numberReader{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			s.Name = value
		case "Tgid":
			s.Tgid = n.int(value)
		case "Pid":
			s.Pid = n.int(value)
		case "TracerPid":
			s.TracerPid = n.int(value)
		case "Uid":
			if f := strings.Fields(value); len(f) == 4 {
				s.UID = n.int(f[1])
			}
		case "CapEff":
			s.CapEff = n.hex(value)
		case "NoNewPrivs":
			s.NoNewPriv = value == "1"
		case "NSpid":
			for _, f := range strings.Fields(value) {
				s.NSpid = append(s.NSpid, n.int(f))
			}
		}
	}
	if n.err != nil {
		return Status{}, fmt.Errorf("parse status: %w", n.err)
	}
	if s.Pid == 0 {
		return Status{}, errors.New("parse status: no Pid line")
	}
	return s, nil
}

// Mount is one line of mountinfo, proc_pid_mountinfo(5), escapes undone.
type Mount struct {
	ID, Parent   int
	Device       string // "254:0"
	Root         string // what part of the file system is mounted
	Point        string // where, as the process sees it
	Options      string // of this mount
	FSType       string
	Source       string
	SuperOptions string // of the file system
}

// ParseMountinfo reads mountinfo; lines that make no sense are skipped.
func ParseMountinfo(b []byte) []Mount {
	var mounts []Mount
	for line := range strings.Lines(string(b)) {
		if m, ok := parseMount(strings.TrimSuffix(line, "\n")); ok {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

func parseMount(line string) (Mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	f, g := strings.Split(left, " "), strings.Split(right, " ")
	if !ok || len(f) < 6 || len(g) < 3 {
		return Mount{}, false
	}
	n := numberReader{}
	m := Mount{
		ID: n.int(f[0]), Parent: n.int(f[1]), Device: f[2], Root: unescape(f[3]), Point: unescape(f[4]),
		Options: f[5], FSType: unescape(g[0]), Source: unescape(g[1]), SuperOptions: unescape(g[2]),
	}
	return m, n.err == nil
}

// unescape undoes \040 and the like, with which the kernel writes blanks.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ParseLoadavg returns how many tasks, threads included, the kernel counts in
// the whole system: the number after the slash of /proc/loadavg.
func ParseLoadavg(b []byte) (tasks int, err error) {
	f := strings.Fields(string(b))
	if len(f) < 4 {
		return 0, errors.New("parse loadavg: fewer than four fields")
	}
	_, total, _ := strings.Cut(f[3], "/")
	tasks, err = strconv.Atoi(total)
	if err != nil {
		return 0, fmt.Errorf("parse loadavg: %w", err)
	}
	return tasks, nil
}

// Region is one mapping of /proc/PID/maps.
type Region struct {
	Perms string // "r-xp"
	Inode uint64 // 0: no file
	Path  string // "", "[vdso]", "/usr/lib/x.so", "/memfd:x (deleted)"
}

// Executable reports whether code can run there.
func (r Region) Executable() bool { return len(r.Perms) > 2 && r.Perms[2] == 'x' }

// ParseMaps reads /proc/PID/maps; lines that make no sense are skipped.
func ParseMaps(b []byte) []Region {
	var regions []Region
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
		if len(f) < 5 {
			continue
		}
		inode, err := strconv.ParseUint(f[4], 10, 64)
		if err != nil {
			continue
		}
		r := Region{Perms: f[1], Inode: inode}
		if len(f) == 6 {
			r.Path = unescapeNewline(strings.TrimLeft(f[5], " "))
		}
		regions = append(regions, r)
	}
	return regions
}

// unescapeNewline undoes the only escape of maps.
func unescapeNewline(s string) string { return strings.ReplaceAll(s, `\012`, "\n") }

// SplitNUL splits cmdline or environ.
func SplitNUL(b []byte) []string {
	b = bytes.TrimSuffix(b, []byte{0})
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}
