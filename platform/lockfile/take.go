// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Take opens the lock at path, with its folder if that is missing, and waits
// until it has it or ctx ends. The folder should be writable by nobody else:
// who can open the file can hold the lock.
func Take(ctx context.Context, path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o751); err != nil {
		return nil, fmt.Errorf("make a folder for a lock: %w", err)
	}
	l, err := Open(path)
	if err != nil {
		return nil, err
	}
	if err := l.Wait(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.Close())
	}
	return func() { _ = l.Close() }, nil
}
