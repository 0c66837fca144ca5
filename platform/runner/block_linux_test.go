// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// blockTerm blocks SIGTERM in the thread that will start the program.
func blockTerm() {
	runtime.LockOSThread()
	var set unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGTERM - 1)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		panic(err)
	}
}
