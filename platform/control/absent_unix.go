// SPDX-License-Identifier: Apache-2.0

//go:build unix

package control

import (
	"errors"
	"io/fs"
	"syscall"
)

// absent says that an error of connect(2) means that nobody listens. EINVAL: the
// path is longer than an address of a socket, unix(7), so nobody can listen there.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EINVAL)
}
