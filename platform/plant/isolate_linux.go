// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// Namespaces that a test can have to itself.
const (
	Mounts  = unix.CLONE_NEWNS
	Pids    = unix.CLONE_NEWPID
	Network = unix.CLONE_NEWNET
)

// Isolated starts the test again in a process with namespaces of its own, and
// returns true there and false here, where the test then has to return: its
// outcome is the child's. With Pids, /proc is mounted for them; with Network,
// the loopback is up. Needs root.
func Isolated(t *testing.T, namespaces uintptr) bool {
	t.Helper()
	const marker = "HIDS_ISOLATED"
	if os.Getenv(marker) == t.Name() {
		prepare(t, namespaces)
		return true
	}
	testenv.Root(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), marker+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces | Mounts}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EINVAL):
		testenv.Skip(t, "make namespaces: "+err.Error())
	case err != nil:
		t.Fatalf("in its own namespaces: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skip(strings.TrimSpace(string(out)))
	}
	return false
}

func prepare(t *testing.T, namespaces uintptr) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal("make mounts private: ", err)
	}
	if namespaces&Pids != 0 {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			testenv.Skip(t, "mount /proc: "+err.Error())
		}
	}
	if namespaces&Network != 0 {
		Loopback(t, unix.IFF_UP)
	}
}

// Loopback sets the flags of the loopback interface, IFF_UP and the like. Call
// it in a network namespace of the test's own.
func Loopback(t *testing.T, flags uint16) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
}

// BindMount mounts one path over another, until the namespace ends.
func BindMount(t *testing.T, from, over string) {
	t.Helper()
	if err := unix.Mount(from, over, "", unix.MS_BIND, ""); err != nil {
		t.Fatal("bind mount: ", err)
	}
}

// Overlay mounts a folder at root so that it can be changed there and stays as
// it is, until the namespace ends.
func Overlay(t *testing.T, lower, root string) {
	t.Helper()
	upper, work := t.TempDir(), t.TempDir()
	options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		testenv.Skip(t, "mount an overlay: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
}

// Start runs a program that waits for the end of its input, and ends it with
// the test. The program has no terminal. It returns when the program has been
// executed.
func Start(t testing.TB, path string, args, env []string) (pid int) {
	t.Helper()
	cmd := &exec.Cmd{Path: path, Args: args, Env: env, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return cmd.Process.Pid
}
