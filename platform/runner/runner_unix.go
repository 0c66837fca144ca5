// SPDX-License-Identifier: Apache-2.0

//go:build unix

package runner

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"hids/platform/signals"
)

type groupSignal = syscall.Signal

const (
	terminate = unix.SIGTERM
	kill      = unix.SIGKILL
)

// ScriptUmask is the umask programs run with, OSSEC's.
const ScriptUmask = 0o022

// Prepare makes this process one whose children inherit nothing by accident:
// every descriptor above 2 is marked close-on-exec, no signal is ignored, the
// umask is ScriptUmask. It changes the whole process, so a daemon calls it once,
// before it opens anything for the world to read.
func Prepare() error {
	unix.Umask(ScriptUmask)
	heed()
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("mark inherited descriptors close-on-exec: %w", err)
	}
	return nil
}

// heed gives every ignored signal a handler that does nothing: that is lost at
// execve(2), where SIG_IGN would stay.
func heed() {
	nobody := make(chan os.Signal, 1)
	for sig := syscall.Signal(1); sig < 32; sig++ {
		if sig != unix.SIGKILL && sig != unix.SIGSTOP && signal.Ignored(sig) {
			signal.Notify(nobody, sig)
		}
	}
	signals.HeedReserved()
}

// spawn starts the program with an empty signal mask: Go's child takes over the
// mask of the thread that forks.
func spawn(s Spec, stdin, out *os.File) (*os.Process, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clearMask()
	return os.StartProcess(s.Path, s.Args, &os.ProcAttr{
		Dir:   s.Dir,
		Env:   s.Env,
		Files: []*os.File{stdin, out, out},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
}

func signalGroup(p *os.Process, sig groupSignal) {
	_ = syscall.Kill(-p.Pid, sig) // ESRCH: it has ended by itself
}

func exitStatus(state *os.ProcessState) (int, string) {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return -1, ws.Signal().String()
	}
	return state.ExitCode(), ""
}

// inputPipe returns a pipe whose reading end blocks, as a program expects.
func inputPipe() (read, write *os.File, err error) {
	fds, err := pipe()
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[1], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "input"), os.NewFile(uintptr(fds[1]), "input"), nil
}

// outputPipe returns a pipe whose reading end is ours, and does not block.
func outputPipe() (read, write *os.File, err error) {
	fds, err := pipe()
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, err
	}
	fds[1] = bothEnds(fds[1])
	return os.NewFile(uintptr(fds[0]), "output"), os.NewFile(uintptr(fds[1]), "output"), nil
}

func readNow(f *os.File, buf []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buf) })
	if controlErr != nil {
		return 0, controlErr
	}
	return n, err
}
