// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package safedir

import (
	"os"
	"path/filepath"
)

func entry(f *os.File, name string) string { return filepath.Join(f.Name(), name) }
