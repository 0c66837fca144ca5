// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Statx looks at an entry with statx(2), which mounts nothing on the way and
// takes a remote file system's word from its cache.
func (d *Dir) Statx(name string) (Info, Attr, error) {
	var st unix.Statx_t
	err := ignoringEINTR(func() error {
		return unix.Statx(int(d.f.Fd()), name, statxFlags, unix.STATX_BASIC_STATS, &st)
	})
	if err != nil {
		return Info{}, Attr{}, err
	}
	info, attr := fromStatx(&st)
	return info, attr, nil
}

// Capabilities returns the raw file capabilities of an entry, capabilities(7);
// nil if it has none.
func (d *Dir) Capabilities(name string) ([]byte, error) {
	// There is no getxattr relative to a folder before Linux 6.13; this path
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
