// SPDX-License-Identifier: Apache-2.0

//go:build unix

package daemon

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func newSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// inherit takes over a descriptor, if it is a pipe: the variable that names it
// may come from anywhere.
func inherit(fd int) *os.File {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready")
}

// dropStdio puts /dev/null where the terminal was.
func dropStdio() error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	for fd := range 3 {
		if err := dup(null, fd); err != nil {
			return err
		}
	}
	return nil
}
