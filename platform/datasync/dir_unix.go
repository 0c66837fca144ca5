// SPDX-License-Identifier: Apache-2.0

//go:build unix

package datasync

import (
	"errors"
	"os"
)

func dir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
