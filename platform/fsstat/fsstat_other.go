// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package fsstat

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Name is a file name. One is reused for many files; it belongs to one
// goroutine.
type Name struct{ s string }

// Set makes n the name s.
func (n *Name) Set(s string) { n.s = s }

// String returns the name.
func (n *Name) String() string { return n.s }

// Directory is a directory by its path: without openat(2) in the standard
// library, what is examined is what the path leads to at that moment.
type Directory struct{ path string }

// OpenDirectory names the directory path, links followed.
func OpenDirectory(path string) (*Directory, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &os.PathError{Op: "open", Path: path, Err: errNotDirectory}
	}
	return &Directory{path}, nil
}

var errNotDirectory = errors.New("not a directory")

// Close does nothing.
func (d *Directory) Close() error { return nil }

func (d *Directory) at(name *Name) string { return filepath.Join(d.path, name.s) }

// OpenDirectory names the directory called name in d; a link is an error.
func (d *Directory) OpenDirectory(name *Name) (*Directory, error) {
	info, err := os.Lstat(d.at(name))
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errNotDirectory
	}
	return &Directory{d.at(name)}, nil
}

// Parent names the directory above d.
func (d *Directory) Parent() (*Directory, error) {
	return &Directory{filepath.Dir(d.path)}, nil
}

// Stat examines d itself.
func (d *Directory) Stat(st *Stat) error { return lstat(d.path, st) }

// Lstat examines what is called name in d, links not followed.
func (d *Directory) Lstat(name *Name, st *Stat) error { return lstat(d.at(name), st) }

func lstat(path string, st *Stat) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	fill(info, st)
	return nil
}

// Readlink returns where the link called name in d leads.
func (d *Directory) Readlink(name *Name) (string, error) { return os.Readlink(d.at(name)) }

// FSType is not told here: everything counts as local.
func (d *Directory) FSType() (FSType, error) { return FSLocal, nil }

// Read fills l with the content of d, sorted.
func (d *Directory) Read(l *List, beat func()) error {
	l.reset()
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		some, err := f.ReadDir(1024)
		for _, e := range some {
			if err := l.add([]byte(e.Name()), kindOf(e.Type())); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		beat()
	}
	l.sort()
	return nil
}

func kindOf(m fs.FileMode) Kind {
	switch {
	case m.IsRegular():
		return File
	case m&fs.ModeSymlink != 0:
		return Symlink
	case m&fs.ModeNamedPipe != 0:
		return FIFO
	case m&fs.ModeSocket != 0:
		return Socket
	case m&fs.ModeCharDevice != 0:
		return CharDevice
	case m&fs.ModeDevice != 0:
		return BlockDevice
	case m.IsDir():
		return Dir
	}
	return Unknown
}

// The bits of st_mode that every Unix shares, and Windows gets made up.
const (
	modeFIFO, modeChar, modeDir, modeBlock = 0o010000, 0o020000, 0o040000, 0o060000
	modeFile, modeLink, modeSocket         = 0o100000, 0o120000, 0o140000
	modeSetuid, modeSetgid, modeSticky     = 0o4000, 0o2000, 0o1000
)

func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range [...]struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, modeSetuid}, {fs.ModeSetgid, modeSetgid}, {fs.ModeSticky, modeSticky}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits | map[Kind]uint32{
		File: modeFile, Dir: modeDir, Symlink: modeLink, FIFO: modeFIFO,
		Socket: modeSocket, CharDevice: modeChar, BlockDevice: modeBlock,
	}[kindOf(m)]
}

// Content is an open regular file.
type Content struct{ f *os.File }

// OpenFile opens the regular file called name in d and examines it; anything
// else is ErrNotRegular. Between the look and the open the name may come to
// mean something else; the look at the open file then finds it out.
func (d *Directory) OpenFile(name *Name, st *Stat) (Content, error) {
	if err := lstat(d.at(name), st); err != nil {
		return Content{}, err
	}
	return openRegular(d.at(name), st)
}

// OpenTarget opens the regular file to which the link called name in d leads.
func (d *Directory) OpenTarget(name *Name, st *Stat) (Content, error) {
	info, err := os.Stat(d.at(name))
	if err != nil {
		return Content{}, err
	}
	fill(info, st)
	return openRegular(d.at(name), st)
}

func openRegular(path string, before *Stat) (Content, error) {
	if before.Kind != File {
		return Content{}, ErrNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return Content{}, err
	}
	c := Content{f}
	var st Stat
	if err := c.Stat(&st); err != nil || st.Kind != File || !st.SameFile(before) {
		return Content{}, errors.Join(ErrNotRegular, err, f.Close())
	}
	*before = st
	return c, nil
}

// Stat examines the open file again.
func (f Content) Stat(st *Stat) error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	fill(info, st)
	return nil
}

// Read reads on; 0 bytes without an error is the end.
func (f Content) Read(b []byte) (int, error) {
	n, err := f.f.Read(b)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Rewind goes back to the beginning.
func (f Content) Rewind() error {
	_, err := f.f.Seek(0, io.SeekStart)
	return err
}

// Close closes the file.
func (f Content) Close() error { return f.f.Close() }

// Xattrs are not read here.
func (f Content) Xattrs([]byte) ([]Xattr, bool) { return nil, false }

// Xattrs are not read here.
func (d *Directory) Xattrs([]byte) ([]Xattr, bool) { return nil, false }

// XattrsOf are not read here.
func (d *Directory) XattrsOf(*Name, []byte) ([]Xattr, bool) { return nil, false }

// IsNotDirectory reports whether err means that what was to be opened as a
// directory is none, or a link.
func IsNotDirectory(err error) bool {
	return errors.Is(err, errNotDirectory) || errors.Is(err, syscall.ENOTDIR)
}
