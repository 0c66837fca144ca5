// SPDX-License-Identifier: Apache-2.0

//go:build freebsd || darwin

package fsstat

import (
	"io/fs"
	"syscall"
)

// nonBlocking keeps a FIFO from blocking the open.
const nonBlocking = syscall.O_NONBLOCK

func fill(info fs.FileInfo, st *Stat) {
	*st = Stat{Kind: kindOf(info.Mode()), Mode: modeBits(info.Mode()), Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	st.UID, st.GID = s.Uid, s.Gid
	st.Inode, st.Device, st.Links = uint64(s.Ino), uint64(s.Dev), uint64(s.Nlink)
	st.Ctime, st.Btime = s.Ctimespec.Nano(), s.Birthtimespec.Nano()
	if st.Kind == CharDevice || st.Kind == BlockDevice {
		st.Rdev = uint64(s.Rdev)
	}
}
