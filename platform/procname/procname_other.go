// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package procname

import "os"

// Set does nothing: here ps(1) goes by argv[0], which is right already.
func Set(string) error { return nil }

// Self is the path of the running program.
func Self() (string, error) { return os.Executable() }
