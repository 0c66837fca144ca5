// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package tcpwrap

import (
	"io/fs"
	"os"
	"syscall"
)

// own copies the owner.
func own(info fs.FileInfo, _ string, f *os.File) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}
