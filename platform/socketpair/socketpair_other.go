// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package socketpair

import (
	"errors"
	"net"
	"os"
)

// New reports that there are no socket pairs here.
func New() (net.Conn, *os.File, error) { return nil, nil, errors.ErrUnsupported }
