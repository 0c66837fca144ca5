// SPDX-License-Identifier: Apache-2.0

package fswatch

import (
	"os"

	"golang.org/x/sys/unix"
)

// identify tells which folder has a name now; links are followed, as
// inotify_add_watch(2) does.
func identify(dir string) (identity, error) {
	var x unix.Statx_t
	for {
		err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_INO|unix.STATX_BTIME, &x)
		switch err {
		case nil:
			id := identity{device: unix.Mkdev(x.Dev_major, x.Dev_minor), inode: x.Ino}
			if x.Mask&unix.STATX_BTIME != 0 {
				id.born = x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
			}
			return id, nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // see fsstat
			return oldIdentity(dir)
		default:
			return identity{}, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
	}
}

func oldIdentity(dir string) (identity, error) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return identity{}, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	return identity{device: s.Dev, inode: s.Ino}, nil
}
