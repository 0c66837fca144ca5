// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func pipe() (fds [2]int, err error) {
	err = unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return fds, err
}

// bothEnds turns a pipe's writing end into one that is a reading end too. So
// there is always a reader: when this process ends before the program, as it
// does under restart-ossec, the program's next echo is not its death (SIGPIPE).
func bothEnds(write int) int {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", write), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return write // no procfs here
	}
	unix.Close(write)
	return fd
}

func clearMask() {
	var empty unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &empty, nil)
}

// closeOnExec needs Linux 5.11 (close_range(2)); before, it walks the list.
func closeOnExec() error {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	dir, err := os.ReadDir("/proc/self/fd")
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
