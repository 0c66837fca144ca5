// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

// absent says that an error of connect means that nobody listens: there is no
// such file, or nobody behind it, the path is longer than an address of a socket,
// or this Windows has no sockets with paths (they came with Windows 10 1803).
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, windows.WSAECONNREFUSED) ||
		errors.Is(err, windows.WSAEINVAL) || errors.Is(err, windows.WSAEAFNOSUPPORT)
}
