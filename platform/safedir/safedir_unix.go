// SPDX-License-Identifier: Apache-2.0

//go:build unix

package safedir

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
}

// giveTo lets the group read a new folder. The umask may have taken that.
func giveTo(f *os.File, gid int) {
	_ = f.Chmod(0o750)
	if gid >= 0 {
		_ = f.Chown(-1, gid) // a plain user outside the group: it stays private
	}
}

func private(path string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if uid := int(st.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("folder %s belongs to uid %d; give it to uid %d", path, uid, os.Geteuid())
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("folder %s is writable by others (mode %#o); chmod go-w", path, fi.Mode().Perm())
	}
	return nil
}
