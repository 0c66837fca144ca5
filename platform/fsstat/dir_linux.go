// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Name is a file name ready for the kernel. One is reused for many files; it
// belongs to one goroutine.
type Name struct{ b []byte }

// Set makes n the name s, which holds no NUL.
func (n *Name) Set(s string) { n.b = append(append(n.b[:0], s...), 0) }

// String returns the name.
func (n *Name) String() string {
	if len(n.b) == 0 {
		return ""
	}
	return string(n.b[:len(n.b)-1])
}

func (n *Name) pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(n.b)) }

// Directory is an open directory. Its methods may be used by many goroutines
// until Close.
type Directory struct{ fd int }

const (
	openFlags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_LARGEFILE
	dirFlags  = openFlags | unix.O_DIRECTORY
)

// OpenDirectory opens the directory path, links followed: for what an
// administrator names, not for what a walk finds.
func OpenDirectory(path string) (*Directory, error) {
	var name Name
	name.Set(path)
	fd, err := openat(unix.AT_FDCWD, &name, dirFlags)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &Directory{fd}, nil
}

// Close closes the directory.
func (d *Directory) Close() error { return unix.Close(d.fd) }

// OpenDirectory opens the directory called name in d; a link is an error.
func (d *Directory) OpenDirectory(name *Name) (*Directory, error) {
	fd, err := openat(d.fd, name, dirFlags|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return &Directory{fd}, nil
}

// Parent opens the directory above d.
func (d *Directory) Parent() (*Directory, error) {
	var up Name
	up.Set("..")
	return d.OpenDirectory(&up)
}

// Stat examines d itself.
func (d *Directory) Stat(st *Stat) error { return fstatx(d.fd, st) }

// Lstat examines what is called name in d, links not followed, without
// opening it.
func (d *Directory) Lstat(name *Name, st *Stat) error {
	return lstatx(d.fd, name, st)
}

// Readlink returns where the link called name in d leads.
func (d *Directory) Readlink(name *Name) (string, error) {
	for size := 256; ; size *= 2 {
		buf := make([]byte, size)
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(d.fd), uintptr(name.pointer()),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(size), 0, 0)
		switch {
		case errno != 0:
			return "", errno
		case int(n) < size:
			return string(buf[:n]), nil
		}
	}
}

// FSType tells on what group of file systems d is.
func (d *Directory) FSType() (FSType, error) { return fsType(d.fd) }

// Read fills l with the content of d, sorted. Between two system calls it
// calls beat, so that a watcher can tell a large directory from one that hangs.
func (d *Directory) Read(l *List, beat func()) error {
	l.reset()
	if l.buf == nil {
		l.buf = make([]byte, 64<<10)
	}
	for {
		n, err := unix.Getdents(d.fd, l.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := l.parse(l.buf[:n]); err != nil {
			return err
		}
		beat()
	}
	d.resolve(l, beat)
	l.sort()
	return nil
}

// parse takes the records of getdents64(2): inode 8, offset 8, length 2, type
// 1 byte, then the name and at least one NUL.
func (l *List) parse(b []byte) error {
	const nameAt = 19
	for len(b) >= nameAt {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size < nameAt || size > len(b) {
			return errors.New("malformed directory entry")
		}
		name := b[nameAt:size]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		kind := kindOfDirent(b[18])
		b = b[size:]
		if s := string(name); s == "." || s == ".." || s == "" {
			continue
		}
		if err := l.add(name, kind); err != nil {
			return err
		}
	}
	return nil
}

// resolve asks for the kind of each entry whose directory did not tell it, as
// some file systems never do.
func (d *Directory) resolve(l *List, beat func()) {
	var name Name
	var st Stat
	for i := range l.entries {
		if l.Kind(i) != Unknown {
			continue
		}
		name.Set(string(l.Name(i)))
		if d.Lstat(&name, &st) == nil {
			l.setKind(i, st.Kind)
		}
		beat()
	}
}

func kindOfDirent(t byte) Kind {
	switch t {
	case unix.DT_REG:
		return File
	case unix.DT_DIR:
		return Dir
	case unix.DT_LNK:
		return Symlink
	case unix.DT_FIFO:
		return FIFO
	case unix.DT_SOCK:
		return Socket
	case unix.DT_CHR:
		return CharDevice
	case unix.DT_BLK:
		return BlockDevice
	}
	return Unknown
}

// procPath names what is called name in d through procfs, for the calls that
// know no *at form.
func (d *Directory) procPath(name *Name) string {
	return "/proc/self/fd/" + strconv.Itoa(d.fd) + "/" + name.String()
}

func openat(dirfd int, name *Name, flags int) (int, error) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(name.pointer()), uintptr(flags), 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// IsNotDirectory reports whether err means that what was to be opened as a
// directory is none, or a link.
func IsNotDirectory(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
