// SPDX-License-Identifier: Apache-2.0

package safedir

import (
	"io/fs"
	"os"
)

func openDir(path string) (*os.File, error) { return os.Open(path) }

// giveTo and private do nothing: the access list is inherited from the
// installation's folder, which only administrators change.
func giveTo(*os.File, int) {}

func private(string, fs.FileInfo) error { return nil }
