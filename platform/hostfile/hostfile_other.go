// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS reads one host. It is safe for use by many goroutines.
type FS struct{}

// New returns the host whose tree is below root; "" is this machine. Only
// Linux can look into an image without following its links out of it.
func New(root string) (*FS, error) {
	if root != "" && root != "/" {
		return nil, fmt.Errorf("look into image: %w", errors.ErrUnsupported)
	}
	return &FS{}, nil
}

// Close releases the image.
func (h *FS) Close() error { return nil }

func (h *FS) openPath(path string) (*os.File, error) { return nil, errors.ErrUnsupported }

func (h *FS) openRead(path string) (*os.File, error) { return os.Open(path) }

// Stat follows symbolic links, inside the host.
func (h *FS) Stat(path string) (Info, error) { return fromStd(os.Stat(path)) }

// Lstat does not follow the last one.
func (h *FS) Lstat(path string) (Info, error) { return fromStd(os.Lstat(path)) }

// Readlink returns what a symbolic link holds.
func (h *FS) Readlink(path string) (string, error) { return os.Readlink(path) }

// OpenDir opens a folder; with follow it may be a symbolic link to one.
func (h *FS) OpenDir(path string, follow bool) (*Dir, error) {
	st, err := h.Lstat(path)
	if follow && err == nil {
		st, err = h.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &fs.PathError{Op: "open folder", Path: path, Err: errors.New("not a folder")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// OpenDir opens a folder in it.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	return (&FS{}).OpenDir(filepath.Join(d.f.Name(), name), false)
}

// Open opens a regular file in it, like FS.Open.
func (d *Dir) Open(name string) (*os.File, Info, error) {
	st, err := d.Lstat(name)
	if err != nil {
		return nil, Info{}, err
	}
	if !st.IsRegular() {
		return nil, st, ErrNotRegular
	}
	return (&FS{}).Open(filepath.Join(d.f.Name(), name))
}

// Lstat looks at an entry.
func (d *Dir) Lstat(name string) (Info, error) {
	return fromStd(os.Lstat(filepath.Join(d.f.Name(), name)))
}

// EndsAt reports whether the content of a regular file ends where size says.
func (d *Dir) EndsAt(name string, size int64) (Info, bool, error) {
	f, info, err := d.Open(name)
	if err != nil {
		return info, false, err
	}
	defer f.Close()
	var b [1]byte
	if size > 0 {
		if n, _ := f.ReadAt(b[:], size-1); n != 1 {
			return info, false, nil
		}
	}
	n, err := f.ReadAt(b[:], size)
	if err == io.EOF {
		err = nil
	}
	return info, n == 0 && err == nil, err
}

// FSType says on which file system the folder is; 0: unknown.
func (d *Dir) FSType() (FSType, error) { return 0, nil }

// Automount reports whether an entry is a place where something would be mounted
// if somebody looked into it; false: unknown.
func (d *Dir) Automount(string) bool { return false }

func fstat(f *os.File) (Info, error) { return fromStd(f.Stat()) }

// fromStd has no link count, so nothing is concluded from it.
func fromStd(st os.FileInfo, err error) (Info, error) {
	if err != nil {
		return Info{}, err
	}
	return Info{Mode: st.Mode(), Size: st.Size(), Mtime: st.ModTime(), Nlink: 1}, nil
}

// Gone reports whether an error means that there is nothing at the path.
func Gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
