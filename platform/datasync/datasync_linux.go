// SPDX-License-Identifier: Apache-2.0

package datasync

import (
	"os"

	"golang.org/x/sys/unix"
)

func file(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sync error
	if err := raw.Control(func(fd uintptr) { sync = ignoringEINTR(int(fd)) }); err != nil {
		sync = os.ErrClosed // nothing else keeps Control from its work
	}
	if sync != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: sync}
	}
	return nil
}

func ignoringEINTR(fd int) error {
	for {
		if err := unix.Fdatasync(fd); err != unix.EINTR {
			return err
		}
	}
}
