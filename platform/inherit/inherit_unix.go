// SPDX-License-Identifier: Apache-2.0

//go:build unix

package inherit

import (
	"os"

	"golang.org/x/sys/unix"
)

// take makes a descriptor ours alone, and one on which deadlines work.
func take(fd int, name string) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	unix.CloseOnExec(fd)
	if flags&unix.O_NONBLOCK == 0 {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Confine sets what every daemon's process should have: its umask, and no core
// dumps, which would hold what only root may read.
func Confine(umask int) error {
	unix.Umask(umask)
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}
