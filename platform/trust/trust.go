// SPDX-License-Identifier: Apache-2.0

// Package trust has the checks with which a process of root's reads and
// executes files in folders that others may write to. What the files are for
// is not known here.
package trust

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile reads a regular file of at most limit bytes. A FIFO or a device in
// its place is an error and is not waited for. The FileInfo is of what was
// read, also where that was too long.
func ReadFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := openNonblock(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fi, fmt.Errorf("read %s: it is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fi, fmt.Errorf("read %s: it has more than %d bytes", path, limit)
	}
	return data, fi, err
}

// Executable says why a file must not be executed by this process, or nil:
// whoever can write what root executes is root. It is a regular file, of
// root's or this user's, that nobody else can write but root's group (or a plain
// user's own).
func Executable(fi fs.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", fi.Name())
	}
	return private(fi)
}

// openNonblock opens for reading without waiting for a FIFO's writer.
func openNonblock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|nonblock, 0)
}
