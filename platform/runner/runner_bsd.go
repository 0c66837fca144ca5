// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package runner

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func pipe() (fds [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err = unix.Pipe(fds[:]); err != nil {
		return fds, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}

// bothEnds is Linux's; elsewhere a program that outlives this process gets
// SIGPIPE when it writes.
func bothEnds(write int) int { return write }

// clearMask has nothing to do: only Linux's launchers were seen to block signals.
func clearMask() {}

func closeOnExec() error {
	dir, err := os.ReadDir("/dev/fd")
	if err != nil {
		return err
	}
	for _, e := range dir {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
