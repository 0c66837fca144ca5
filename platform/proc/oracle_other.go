// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package proc

import (
	"errors"
	"io/fs"
)

// Oracles is empty where the questions have not been worked out.
func Oracles() []Oracle { return nil }

// Gone reports whether an error about a process means that it has ended.
func Gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
