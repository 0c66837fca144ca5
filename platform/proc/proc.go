// SPDX-License-Identifier: Apache-2.0

// Package proc reads Linux's procfs and asks the kernel about tasks directly.
// It has parsers for the files of procfs (each takes bytes and is fuzzed),
// readers that take a paths.Host, and the oracles: system calls that say
// whether a pid exists without procfs. It smooths nothing over: what
// disagrees with what is the caller's business.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// MaxRead bounds what is read of one file below /proc/PID, which the process
// itself can make as long as it likes: 1 MiB.
const MaxRead = 1 << 20

// InitialPIDNamespace is what /proc/self/ns/pid points to outside every
// container: PROC_PID_INIT_INO of the kernel, the same on every Linux.
const InitialPIDNamespace = "pid:[4026531836]"

// Pids lists the processes that a listing of /proc shows, sorted.
func Pids(h paths.Host) ([]int, error) {
	ids, err := numbers(h.ProcPath())
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, &fs.PathError{Op: "list processes", Path: h.ProcPath(), Err: errors.New("no process found; is procfs mounted?")}
	}
	return ids, nil
}

// Threads lists the ids of the threads of a process, its own among them.
func Threads(h paths.Host, pid int) ([]int, error) {
	return numbers(h.ProcPath(strconv.Itoa(pid), "task"))
}

// Tasks maps every thread id that procfs lists to its process. Processes that
// end meanwhile are left out of their threads, not of the answer.
func Tasks(h paths.Host) (map[int]int, error) {
	pids, err := Pids(h)
	if err != nil {
		return nil, err
	}
	tasks := make(map[int]int, 2*len(pids))
	for _, pid := range pids {
		tasks[pid] = pid
		tids, err := Threads(h, pid)
		if err != nil {
			continue // ended, or hidden by hidepid: the process itself counts
		}
		for _, tid := range tids {
			tasks[tid] = pid
		}
	}
	return tasks, nil
}

// numbers lists the entries of a folder that are numbers.
func numbers(dir string) ([]int, error) {
	names, err := dirNames(dir)
	if err != nil {
		return nil, err
	}
	ids := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			ids = append(ids, n)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func dirNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// ReadFile reads a file below /proc/PID, at most MaxRead bytes of it.
func ReadFile(h paths.Host, pid int, name string) ([]byte, error) {
	return readLimited(h.ProcPath(strconv.Itoa(pid), name))
}

// ReadSys reads a file below /proc/sys without its final newline.
func ReadSys(h paths.Host, name string) (string, error) {
	b, err := readLimited(h.ProcPath("sys", name))
	return strings.TrimRight(string(b), "\n"), err
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxRead))
}

// ReadStat reads /proc/PID/stat.
func ReadStat(h paths.Host, pid int) (Stat, error) {
	b, err := ReadFile(h, pid, "stat")
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(b)
}

// ReadStatus reads /proc/PID/status.
func ReadStatus(h paths.Host, pid int) (Status, error) {
	b, err := ReadFile(h, pid, "status")
	if err != nil {
		return Status{}, err
	}
	return ParseStatus(b)
}

// Exe returns what /proc/PID/exe points to: "/usr/bin/x", "/tmp/x (deleted)",
// "/memfd:x (deleted)". Kernel threads have none (fs.ErrNotExist). Other
// users' processes need CAP_SYS_PTRACE.
func Exe(h paths.Host, pid int) (string, error) {
	return os.Readlink(h.ProcPath(strconv.Itoa(pid), "exe"))
}

// Namespace returns what /proc/PID/ns/NAME points to: "pid:[4026531836]".
func Namespace(h paths.Host, pid int, name string) (string, error) {
	return os.Readlink(h.ProcPath(strconv.Itoa(pid), "ns", name))
}

// Self returns the same for the running process, by the host's procfs.
func Self(h paths.Host, name string) (string, error) {
	return os.Readlink(h.ProcPath("self", "ns", name))
}

// PidMax is the bound of the pid space: no task has this id or a higher one.
func PidMax(h paths.Host) (int, error) {
	s, err := ReadSys(h, "kernel/pid_max")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1<<22 {
		return 0, fmt.Errorf("read pid_max: %q is no number from 1 to 4194304", s)
	}
	return n, nil
}

// BootID identifies the running boot of the kernel.
func BootID(h paths.Host) (string, error) { return ReadSys(h, "kernel/random/boot_id") }

// Mounts reads the mounts of a process's mount namespace.
func Mounts(h paths.Host, pid string) ([]Mount, error) {
	f, err := os.Open(h.ProcPath(pid, "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64*MaxRead))
	if err != nil {
		return nil, err
	}
	return ParseMountinfo(b), nil
}

// FD is one descriptor of a process that does not stand for a file.
type FD struct {
	PID    int
	Number int
	Target string // "socket:[1234]", "anon_inode:bpf-prog"
}

// Unseen counts the processes whose descriptors FDs could not look at, or not
// all of them.
type Unseen struct {
	Denied int // that takes CAP_SYS_PTRACE
	Cut    int // they have more than maxFDs
}

// Err is nil where nothing was left unseen.
func (u Unseen) Err() error {
	var denied, cut error
	if u.Denied > 0 {
		denied = fmt.Errorf("%d processes: %w", u.Denied, fs.ErrPermission)
	}
	if u.Cut > 0 {
		cut = fmt.Errorf("%d processes have more than %d descriptors", u.Cut, maxFDs)
	}
	return errors.Join(denied, cut)
}

// Limits of what FDs looks at. Whoever may open a million descriptors may have a
// thousand such processes.
const (
	maxFDs    = 1 << 16 // of one process
	maxAllFDs = 1 << 22
	fdChunk   = 1024
)

// FDs calls f with every descriptor of every process whose target begins with
// one of the prefixes.
func FDs(ctx context.Context, h paths.Host, prefixes []string, f func(FD)) (Unseen, error) {
	pids, err := Pids(h)
	if err != nil {
		return Unseen{}, err
	}
	var unseen Unseen
	room := maxAllFDs
	for _, pid := range pids {
		n, cut, err := fdsOf(ctx, h, pid, min(maxFDs, room), func(fd FD) {
			if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(fd.Target, p) }) {
				f(fd)
			}
		})
		room -= n
		switch {
		case ctx.Err() != nil:
			return unseen, ctx.Err()
		case errors.Is(err, fs.ErrPermission):
			unseen.Denied++
		case cut:
			unseen.Cut++
		}
	}
	return unseen, nil
}

// fdsOf calls f with up to limit descriptors of a process, and returns how many
// those were and whether there are more.
func fdsOf(ctx context.Context, h paths.Host, pid, limit int, f func(FD)) (n int, cut bool, err error) {
	dir := h.ProcPath(strconv.Itoa(pid), "fd")
	d, err := os.Open(dir)
	if err != nil {
		return 0, false, err
	}
	defer d.Close()
	for ctx.Err() == nil {
		names, err := d.Readdirnames(fdChunk)
		for _, name := range names {
			if n == limit {
				return n, true, nil
			}
			n++
			number, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			if to, err := os.Readlink(dir + "/" + name); err == nil {
				f(FD{PID: pid, Number: number, Target: to})
			}
		}
		if errors.Is(err, io.EOF) {
			return n, false, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, ctx.Err()
}
