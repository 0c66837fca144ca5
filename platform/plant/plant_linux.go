// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// BPF loads a socket filter of two instructions under the given name.
func BPF(t testing.TB, name string) {
	t.Helper()
	const socketFilter = 1 // BPF_PROG_TYPE_SOCKET_FILTER
	loadBPF(t, name, socketFilter, []byte{0xb7, 8: 0x95, 15: 0})
}

// SignallingBPF loads a program for tracepoints that sends a signal, were it
// ever attached, and pins it at a path in a BPF file system.
func SignallingBPF(t testing.TB, name, pin string) {
	t.Helper()
	const rawTracepoint, sendSignal = 17, 109 // BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_send_signal
	fd := loadBPF(t, name, rawTracepoint, []byte{
		0xb7, 0x01, 7: 0, // r1 = 0
		8: 0x85, 12: sendSignal, // call
		16: 0xb7, 24: 0x95, 31: 0, // r0 = 0; exit
	})
	path, err := unix.BytePtrFromString(pin)
	if err != nil {
		t.Fatal(err)
	}
	var pinner runtime.Pinner
	pinner.Pin(path)
	defer pinner.Unpin()
	attr := struct {
		path  uint64
		fd    uint32
		flags uint32
	}{uint64(uintptr(unsafe.Pointer(path))), uint32(fd), 0}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_PIN, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); errno != 0 {
		t.Fatal("pin a bpf program: ", errno)
	}
}

// MountBPF mounts a BPF file system on a folder, until the namespace ends.
func MountBPF(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		testenv.Skip(t, "mount the bpf file system: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func loadBPF(t testing.TB, name string, kind uint32, code []byte) int {
	t.Helper()
	licence := [4]byte{'G', 'P', 'L'}
	var pin runtime.Pinner
	pin.Pin(&code[0])
	pin.Pin(&licence)
	defer pin.Unpin()
	var attr struct {
		kind, count    uint32
		insns, licence uint64
		_              [24]byte
		name           [16]byte
	}
	attr.kind, attr.count = kind, uint32(len(code)/8)
	attr.insns = uint64(uintptr(unsafe.Pointer(&code[0])))
	attr.licence = uint64(uintptr(unsafe.Pointer(&licence)))
	copy(attr.name[:15], name)
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		testenv.Skip(t, "load a bpf program: "+errno.Error())
	}
	t.Cleanup(func() { unix.Close(int(fd)) })
	return int(fd)
}

// PacketSocket opens a packet socket with a classic BPF filter of one
// instruction, which drops everything. It is bound to no protocol, so it gets
// nothing either way.
func PacketSocket(t testing.TB) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		testenv.Skip(t, "open a packet socket: "+err.Error())
	}
	t.Cleanup(func() { unix.Close(fd) })
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	prog := unix.SockFprog{Len: 1, Filter: &drop}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		t.Fatal(err)
	}
}

// Immutable sets the immutable flag of a file, chattr(1) +i.
func Immutable(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h
	if err := setFlags(f, immutable); err != nil {
		testenv.Skip(t, "set the immutable flag: "+err.Error())
	}
	t.Cleanup(func() {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if err := setFlags(f, 0); err != nil {
			t.Error(err)
		}
	})
}

func setFlags(f *os.File, flags int) error {
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// Memfd copies a program into memory and returns a path to start it from. The
// descriptor stays open until the test ends.
func Memfd(t testing.TB, name, program string) string {
	t.Helper()
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		testenv.Skip(t, "memfd_create: "+err.Error())
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { f.Close() })
	in, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.Copy(f, in); err != nil {
		t.Fatal(err)
	}
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(fd)
}

// Capability gives a file the right to open raw sockets, capabilities(7).
func Capability(t testing.TB, path string) {
	t.Helper()
	// VFS_CAP_REVISION_2 and effective; CAP_NET_RAW is bit 13.
	caps := [20]byte{0: 1, 3: 2, 5: 1 << 5}
	if err := unix.Setxattr(path, "security.capability", caps[:], 0); err != nil {
		testenv.Skip(t, "set file capabilities: "+err.Error())
	}
}

// RawSocket opens a raw socket for an IP protocol.
func RawSocket(t testing.TB, v6 bool, protocol int) {
	t.Helper()
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		testenv.Skip(t, "open a raw socket: "+err.Error())
	}
	t.Cleanup(func() { unix.Close(fd) })
}

// BoundSocket binds a TCP socket to a port of the kernel's choice and leaves
// it at that.
func BoundSocket(t testing.TB) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
}

// Group puts a process into a control group of its own that counts its tasks,
// and returns the group's name. The group ends with the test.
func Group(t testing.TB, pid int) string {
	t.Helper()
	name := "hids-test-" + strconv.Itoa(os.Getpid())
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { removeGroup(t, dir) })
		if _, err := os.Stat(filepath.Join(dir, "pids.current")); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			t.Fatal(err)
		}
		return "/" + name
	}
	testenv.Skip(t, "no control group counts tasks here")
	return ""
}

// removeGroup moves what is still in the group out of it first.
func removeGroup(t testing.TB, dir string) {
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err == nil {
		for _, pid := range strings.Fields(string(procs)) {
			_ = os.WriteFile(filepath.Join(filepath.Dir(dir), "cgroup.procs"), []byte(pid), 0o644) // it may have ended
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Error(err)
	}
}

// CPU is how long this process has computed, in the kernel and outside.
func CPU(t testing.TB) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
