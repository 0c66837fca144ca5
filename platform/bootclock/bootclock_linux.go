// SPDX-License-Identifier: Apache-2.0

package bootclock

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Now is how long this boot has lasted, suspended time included (CLOCK_BOOTTIME).
func Now() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}
