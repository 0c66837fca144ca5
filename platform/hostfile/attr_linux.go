// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Statx looks at an entry with statx(2), which mounts nothing on the way and
// takes a remote file system's word from its cache.
func (d *Dir) Statx(name string) (Info, Attr, error) {
	var st unix.Statx_t
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
	err := ignoringEINTR(func() error {
		return unix.Statx(int(d.f.Fd()), name, flags, unix.STATX_BASIC_STATS, &st)
	})
	if err != nil {
		return Info{}, Attr{}, err
	}
	attr := Attr{
		Immutable:  st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0,
		AppendOnly: st.Attributes&unix.STATX_ATTR_APPEND != 0,
		Automount:  st.Attributes&unix.STATX_ATTR_AUTOMOUNT != 0,
	}
	return Info{
		Mode:  mode(uint32(st.Mode)),
		Size:  int64(st.Size),
		Dev:   unix.Mkdev(st.Dev_major, st.Dev_minor),
		Ino:   st.Ino,
		Nlink: uint64(st.Nlink),
		UID:   st.Uid,
		GID:   st.Gid,
		Mtime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)),
		Ctime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)),
	}, attr, nil
}

// Capabilities returns the raw file capabilities of an entry, capabilities(7);
// nil if it has none.
func (d *Dir) Capabilities(name string) ([]byte, error) {
	// There is no fgetxattr relative to a folder before Linux 6.13; this path
	// stays in the very folder that is open.
	p := "/proc/self/fd/" + strconv.Itoa(int(d.f.Fd())) + "/" + name
	var buf [64]byte
	n, err := unix.Lgetxattr(p, "security.capability", buf[:])
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return buf[:n], nil
}
