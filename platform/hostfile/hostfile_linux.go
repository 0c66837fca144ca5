// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// FS reads one host. It is safe for use by many goroutines.
type FS struct {
	root *os.File // nil: this machine
}

// New returns the host whose tree is below root; "" is this machine. An image
// needs openat2(2), Linux 5.6: without it a link in the image would lead out.
func New(root string) (*FS, error) {
	if root == "" || root == "/" {
		return &FS{}, nil
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open image", Path: root, Err: err}
	}
	h := &FS{root: os.NewFile(uintptr(fd), root)}
	if _, err := h.Stat("/"); err != nil {
		h.Close()
		return nil, fmt.Errorf("look into image (needs Linux 5.6 or later): %w", err)
	}
	return h, nil
}

// Close releases the image.
func (h *FS) Close() error {
	if h.root == nil {
		return nil
	}
	return h.root.Close()
}

// maxRaces is how often an open that raced with a rename is tried again.
const maxRaces = 100

// open opens an absolute path of the host with flags of open(2).
func (h *FS) open(op, path string, flags int) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, &fs.PathError{Op: op, Path: path, Err: errors.New("path is not absolute")}
	}
	flags |= unix.O_CLOEXEC
	for races := 0; ; {
		fd, err := h.openat(path, flags)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && h.root != nil && races < maxRaces:
			// A rename raced with RESOLVE_IN_ROOT. It may also be a lease,
			// fcntl(2), that the file's owner holds for 45 s and takes again.
			races++
			continue
		}
		return nil, &fs.PathError{Op: op, Path: path, Err: err}
	}
}

func (h *FS) openat(path string, flags int) (int, error) {
	if h.root == nil {
		return unix.Open(path, flags, 0)
	}
	return unix.Openat2(int(h.root.Fd()), path, &unix.OpenHow{
		Flags:   uint64(flags),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

func (h *FS) openPath(path string) (*os.File, error) { return h.open("open", path, unix.O_PATH) }

func (h *FS) openRead(path string) (*os.File, error) {
	return h.open("open", path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// Stat follows symbolic links, inside the host.
func (h *FS) Stat(path string) (Info, error) { return h.stat(path, 0, 0) }

// Lstat does not follow the last one.
func (h *FS) Lstat(path string) (Info, error) {
	return h.stat(path, unix.O_NOFOLLOW, unix.AT_SYMLINK_NOFOLLOW)
}

func (h *FS) stat(path string, openFlags, statFlags int) (Info, error) {
	if h.root == nil && filepath.IsAbs(path) {
		var st unix.Stat_t
		if err := ignoringEINTR(func() error { return unix.Fstatat(unix.AT_FDCWD, path, &st, statFlags) }); err != nil {
			return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		return info(&st), nil
	}
	f, err := h.open("stat", path, unix.O_PATH|openFlags)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	return fstat(f)
}

// Readlink returns what a symbolic link holds.
func (h *FS) Readlink(path string) (string, error) {
	f, err := h.open("readlink", path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	return string(buf[:n]), nil
}

// OpenDir opens a folder; with follow it may be a symbolic link to one.
func (h *FS) OpenDir(path string, follow bool) (*Dir, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	f, err := h.open("open folder", path, flags)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// OpenDir opens a folder in it. The error has no path: callers know it.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	f, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
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
	f, err := d.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, Info{}, err
	}
	return checked(f, name)
}

func (d *Dir) open(name string, flags int) (*os.File, error) {
	fd, err := d.openat(name, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d *Dir) openat(name string, flags int) (fd int, err error) {
	err = ignoringEINTR(func() (err error) {
		fd, err = unix.Openat(int(d.f.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// EndsAt reports whether the content of a regular file, which the caller has
// looked at, ends where size says: there is a last byte and none behind it. It
// costs no more however large the file is.
func (d *Dir) EndsAt(name string, size int64) (Info, bool, error) {
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return Info{}, false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return info(&st), false, ErrNotRegular
	}
	last := 1
	if size > 0 {
		if last, err = pread(fd, size-1); err != nil {
			return info(&st), false, err
		}
	}
	behind, err := pread(fd, size)
	return info(&st), last == 1 && behind == 0, err
}

// pread reads one byte and returns how many there were.
func pread(fd int, offset int64) (n int, err error) {
	var b [1]byte
	err = ignoringEINTR(func() (err error) {
		n, err = unix.Pread(fd, b[:], offset)
		return err
	})
	return n, err
}

// Lstat looks at an entry. The error has no path: callers know it.
func (d *Dir) Lstat(name string) (Info, error) {
	var st unix.Stat_t
	err := ignoringEINTR(func() error {
		return unix.Fstatat(int(d.f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return Info{}, err
	}
	return info(&st), nil
}

// FSType says on which file system the folder is.
func (d *Dir) FSType() (FSType, error) {
	var st unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Fstatfs(int(d.f.Fd()), &st) }); err != nil {
		return 0, fmt.Errorf("ask for the file system: %w", err)
	}
	return FSType(uint32(st.Type)), nil
}

// Automount reports whether an entry is a place where something would be mounted
// if somebody looked into it, and nothing is. To ask mounts nothing.
func (d *Dir) Automount(name string) bool {
	fd, err := d.openat(name, unix.O_PATH) // with O_DIRECTORY it would mount
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	err = ignoringEINTR(func() error { return unix.Fstatfs(fd, &st) })
	return err == nil && FSType(uint32(st.Type)) == autofs
}

func fstat(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return info(&st), nil
}

func info(st *unix.Stat_t) Info {
	return Info{
		Mode:  mode(st.Mode),
		Size:  st.Size,
		Dev:   uint64(st.Dev),   //nolint:unconvert // its size differs between architectures
		Ino:   uint64(st.Ino),   //nolint:unconvert // its size differs between architectures
		Nlink: uint64(st.Nlink), //nolint:unconvert // its size differs between architectures
		UID:   st.Uid,
		GID:   st.Gid,
		Mtime: time.Unix(st.Mtim.Unix()),
		Ctime: time.Unix(st.Ctim.Unix()),
	}
}

func mode(m uint32) fs.FileMode {
	out := fs.FileMode(m & 0o777)
	for _, bit := range []struct {
		sys uint32
		std fs.FileMode
	}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}} {
		if m&bit.sys != 0 {
			out |= bit.std
		}
	}
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		out |= fs.ModeDir
	case unix.S_IFLNK:
		out |= fs.ModeSymlink
	case unix.S_IFIFO:
		out |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		out |= fs.ModeSocket
	case unix.S_IFBLK:
		out |= fs.ModeDevice
	case unix.S_IFCHR:
		out |= fs.ModeDevice | fs.ModeCharDevice
	}
	return out
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Gone reports whether an error means that there is nothing of that kind at the
// path: no entry, or something in the way that is no folder.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
