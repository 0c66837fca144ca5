// SPDX-License-Identifier: Apache-2.0

// Package daemon puts a program into the background: it runs itself again in a
// session of its own, and the process that was started waits until that one is
// ready or has failed, so that whoever started it learns which.
package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"hids/platform/procname"
)

// envReady tells a process that it is the daemon, and on which descriptor
// somebody waits for it.
const envReady = "HIDS_DAEMON_READY"

// Spawn runs this program again with the arguments args (args[0] is its name)
// and waits. It returns 0 once the daemon is ready, else the daemon's exit
// code. What the daemon prints until then goes to this process's standard error.
func Spawn(args []string) (int, error) {
	self, err := procname.Self()
	if err != nil {
		return 0, fmt.Errorf("start daemon: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("start daemon: %w", err)
	}
	defer r.Close()
	cmd := &exec.Cmd{Path: self, Args: args, Stderr: os.Stderr, ExtraFiles: []*os.File{w}}
	cmd.Env = append(os.Environ(), envReady+"=3")
	newSession(cmd)
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return 0, fmt.Errorf("start daemon: %w", err)
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n == 1 {
		return 0, nil
	}
	err = cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() < 0 {
		return 0, fmt.Errorf("the daemon died before it was ready: %w", err)
	} else if !ok && err != nil {
		return 0, fmt.Errorf("wait for daemon: %w", err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// Waiting is the process that waits for a daemon to become ready.
type Waiting struct{ f *os.File }

// Inherited returns who waits for this process, or nil when it was not started
// by Spawn. Only the first call finds out.
func Inherited() *Waiting {
	fd, err := strconv.Atoi(os.Getenv(envReady))
	if err != nil || fd < 3 {
		return nil
	}
	_ = os.Unsetenv(envReady)
	f := inherit(fd)
	if f == nil {
		return nil
	}
	return &Waiting{f}
}

// Done says that the daemon is ready. From then on it has no standard error:
// the shell that started it goes on.
func (w *Waiting) Done() error {
	if err := dropStdio(); err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	_, err := w.f.Write([]byte{1})
	if err = errors.Join(err, w.f.Close()); err != nil {
		return fmt.Errorf("report readiness: %w", err)
	}
	return nil
}
