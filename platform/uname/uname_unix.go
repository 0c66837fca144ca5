// SPDX-License-Identifier: Apache-2.0

//go:build unix

package uname

import "golang.org/x/sys/unix"

// fields are those of uname(2), without the domain name.
func fields() []string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return nil
	}
	return []string{
		unix.ByteSliceToString(u.Sysname[:]),
		unix.ByteSliceToString(u.Nodename[:]),
		unix.ByteSliceToString(u.Release[:]),
		unix.ByteSliceToString(u.Version[:]),
		unix.ByteSliceToString(u.Machine[:]),
	}
}
