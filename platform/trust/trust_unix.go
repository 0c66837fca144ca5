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
	if fi.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by others than its owner; chmod go-w", fi.Name())
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to neither root nor this user; chown root", fi.Name())
	}
	return nil
}
