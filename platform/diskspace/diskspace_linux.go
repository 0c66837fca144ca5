// SPDX-License-Identifier: Apache-2.0

package diskspace

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func of(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	size := uint64(st.Bsize)
	return Space{
		Total: st.Blocks * size, Free: st.Bavail * size,
		Inodes: st.Files, FreeInodes: st.Ffree,
		ReadOnly: st.Flags&unix.ST_RDONLY != 0,
	}, nil
}
