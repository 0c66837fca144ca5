// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logging

import (
	"os"
	"syscall"
)

// openFlags refuse a symbolic link and do not wait for a FIFO's reader.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// share gives a new log file to whom its folder belongs, mode 0660, as OSSEC
// installs ossec.log: its other daemons append to it too. Without the right to
// give it away it stays the caller's, which then is right.
func share(f *os.File, dir string) {
	if os.Geteuid() != 0 {
		_ = f.Chmod(0o640)
		return
	}
	if fi, err := os.Stat(dir); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(int(st.Uid), int(st.Gid))
		}
	}
	_ = f.Chmod(0o660)
}
