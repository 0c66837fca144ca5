// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"io/fs"
	"syscall"
)

const nonBlocking = 0

// flagsWindows are the attributes that someone sets on a file: read-only,
// hidden, system.
const flagsWindows = syscall.FILE_ATTRIBUTE_READONLY | syscall.FILE_ATTRIBUTE_HIDDEN | syscall.FILE_ATTRIBUTE_SYSTEM

// fill leaves inode and device 0: Windows tells them only of an open handle.
func fill(info fs.FileInfo, st *Stat) {
	*st = Stat{Kind: kindOf(info.Mode()), Mode: modeBits(info.Mode()), Size: info.Size(), Mtime: info.ModTime().UnixNano(), Links: 1}
	if s, ok := info.Sys().(*syscall.Win32FileAttributeData); ok {
		st.Btime = s.CreationTime.Nanoseconds()
		st.Flags, st.FlagsMask, st.HasFlags = uint64(s.FileAttributes)<<WindowsShift, flagsWindows<<WindowsShift, true
	}
}
