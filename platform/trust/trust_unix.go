// SPDX-License-Identifier: Apache-2.0

//go:build unix

package trust

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

func private(fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to neither root nor this user; chown root", fi.Name())
	}
	perm := fi.Mode().Perm()
	if perm&0o002 != 0 || perm&0o020 != 0 && !trustedGroup(st.Gid) {
		return fmt.Errorf("%s can be written by others than its owner; chmod go-w", fi.Name())
	}
	return nil
}

// trustedGroup is root's own, or a plain user's own.
func trustedGroup(gid uint32) bool {
	return gid == 0 || os.Geteuid() != 0 && int(gid) == os.Getegid()
}
