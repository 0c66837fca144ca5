// SPDX-License-Identifier: Apache-2.0

//go:build unix

package privdrop

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Owner returns the user and group that a file or folder belongs to.
func Owner(path string) (uid, gid int, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	return int(st.Uid), int(st.Gid), nil
}

// Links is how many names a file has.
func Links(fi fs.FileInfo) uint64 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(st.Nlink) //nolint:unconvert // its size differs between systems
}
