// SPDX-License-Identifier: Apache-2.0

package timesync

import (
	"os"

	"golang.org/x/sys/unix"
)

func kept() (bool, error) {
	var now unix.Timex // modes 0: only read
	state, err := unix.Adjtimex(&now)
	if err != nil {
		return false, os.NewSyscallError("adjtimex", err)
	}
	return state != unix.TIME_ERROR && now.Status&unix.STA_UNSYNC == 0, nil
}
