// SPDX-License-Identifier: Apache-2.0

package priority

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	schedBatch     = 3       // SCHED_BATCH, sched(7)
	ioprioProcess  = 1       // IOPRIO_WHO_PROCESS, ioprio_set(2)
	ioprioIdle     = 3 << 13 // IOPRIO_CLASS_IDLE
	ownTasksFolder = "/proc/self/task"
)

// lower sets each thread by itself: both system calls are about threads, and
// the Go runtime has started some before main. A thread that has ended meanwhile
// needs nothing.
func lower() error {
	tasks, err := os.ReadDir(ownTasksFolder)
	if err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := lowerThread(tid); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("lower the priority: %w", err)
		}
	}
	return nil
}

func lowerThread(tid int) error {
	var param struct{ priority int32 }
	if _, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), schedBatch,
		uintptr(unsafe.Pointer(&param))); errno != 0 {
		return os.NewSyscallError("sched_setscheduler", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, ioprioProcess, uintptr(tid), ioprioIdle); errno != 0 {
		return os.NewSyscallError("ioprio_set", errno)
	}
	return nil
}
