// SPDX-License-Identifier: Apache-2.0

// Package proc reads Linux's procfs and asks the kernel about tasks directly.
// It has parsers for the files of procfs (each takes bytes and is fuzzed),
// readers that take a paths.Host, and the oracles: system calls that say
// whether a pid exists without procfs. It smooths nothing over: what
// disagrees with what is the caller's business.
package proc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// FDs calls f with every descriptor of every process whose target begins with
// one of the prefixes, and returns how many processes could not be looked at
// because that takes CAP_SYS_PTRACE.
func FDs(h paths.Host, prefixes []string, f func(FD)) (denied int, err error) {
	pids, err := Pids(h)
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		dir := h.ProcPath(strconv.Itoa(pid), "fd")
		numbers, err := numbers(dir)
		if errors.Is(err, fs.ErrPermission) {
			denied++
		}
		for _, n := range numbers {
			to, err := os.Readlink(filepath.Join(dir, strconv.Itoa(n)))
			if err == nil && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(to, p) }) {
				f(FD{PID: pid, Number: n, Target: to})
			}
		}
	}
	return denied, nil
}
