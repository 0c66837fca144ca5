// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Take opens the lock at path, with its folder if that is missing, and waits
// until it has it or ctx ends. The folder should be writable by nobody else:
// who can open the file can hold the lock.
//
// On a disk that is read-only or full the lock is on the file as it is, or on its
// folder: a bad disk must keep nobody from what it guards.
func Take(ctx context.Context, path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o751); err != nil {
		return nil, fmt.Errorf("make a folder for a lock: %w", err)
	}
	l, err := Open(path)
	if takesNoFile(err) {
		l, err = openAsItIs(path)
	}
	if err != nil {
		return nil, err
	}
	if err := l.Wait(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.Close())
	}
	return func() { _ = l.Close() }, nil
}

func openAsItIs(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return &Lock{f}, nil
}
