// SPDX-License-Identifier: Apache-2.0

// Package safedir opens folders in which a privileged process writes although
// a folder above them belongs to somebody else: OSSEC's logs and queue belong
// to its unprivileged user, who could put a link where root's folder was.
package safedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Dir is an open folder that only this user (and root) can change.
type Dir struct {
	f    *os.File
	info fs.FileInfo
}

// Open opens the folder at path, which must be no symbolic link, belong to
// this user or root, and be writable by nobody else. A missing folder is made
// with mode 0750 and the group gid (-1: the caller's own); its parent must
// exist.
func Open(path string, gid int) (*Dir, error) {
	err := os.Mkdir(path, 0o750)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	f, err := openDir(path)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	if made {
		giveTo(f, gid)
	}
	info, err := f.Stat()
	if err == nil {
		err = private(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Dir{f, info}, nil
}

// Path returns a path of the folder's entry name that stays valid for this
// process, whatever is done to the folders above.
func (d *Dir) Path(name string) string { return entry(d.f, name) }

// At reports whether the folder is still the one found at path.
func (d *Dir) At(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && os.SameFile(fi, d.info)
}

// Close closes the folder; its Paths end.
func (d *Dir) Close() error { return d.f.Close() }
