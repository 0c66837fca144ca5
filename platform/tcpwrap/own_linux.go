// SPDX-License-Identifier: Apache-2.0

package tcpwrap

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// own copies the owner, and the SELinux label and access list where there are
// any.
func own(info fs.FileInfo, path string, f *os.File) error {
	for _, name := range []string{"security.selinux", "system.posix_acl_access"} {
		value := make([]byte, 64<<10)
		if n, err := unix.Getxattr(path, name, value); err == nil {
			if err := unix.Fsetxattr(int(f.Fd()), name, value[:n], 0); err != nil {
				return &os.PathError{Op: "setxattr", Path: f.Name(), Err: err}
			}
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}
