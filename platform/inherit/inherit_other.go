// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package inherit

import (
	"errors"
	"os"
)

func take(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Confine does nothing: there is neither a umask nor a core file here.
func Confine(int) error { return nil }
