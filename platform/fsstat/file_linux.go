// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Content is an open regular file.
type Content struct{ fd int }

// OpenFile opens the regular file called name in d and examines it. Anything
// else, whatever the directory said it was, is ErrNotRegular and has not been
// read: O_NONBLOCK keeps a FIFO from blocking the open, O_NOFOLLOW a link from
// leading elsewhere. Access times are left alone where the kernel allows it.
func (d *Directory) OpenFile(name *Name, st *Stat) (Content, error) {
	fd, err := openat(d.fd, name, openFlags|unix.O_NOFOLLOW|unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) {
		// open(2): O_NOATIME is for the owner and CAP_FOWNER only.
		fd, err = openat(d.fd, name, openFlags|unix.O_NOFOLLOW)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return Content{-1}, ErrLeased
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return Content{-1}, ErrNotRegular // a link; a socket or a device without a driver
	case err != nil:
		return Content{-1}, err
	}
	return regular(fd, st)
}

// OpenTarget opens the regular file to which the link called name in d leads.
// The target is first held without being opened (O_PATH), so that neither a
// device nor a FIFO notices, and then opened by that handle, so that nothing
// can be put in its place. Targets that the kernel makes up are not regular.
func (d *Directory) OpenTarget(name *Name, st *Stat) (Content, error) {
	held, err := openat(d.fd, name, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return Content{-1}, err
	}
	defer func() { _ = unix.Close(held) }()
	if err := fstatx(held, st); err != nil {
		return Content{-1}, err
	}
	if t, err := fsType(held); err != nil || t == FSPseudo || st.Kind != File {
		return Content{-1}, ErrNotRegular
	}
	var self Name
	self.Set("/proc/self/fd/" + strconv.Itoa(held))
	fd, err := openat(unix.AT_FDCWD, &self, openFlags)
	if err != nil {
		return Content{-1}, err
	}
	return regular(fd, st)
}

func regular(fd int, st *Stat) (Content, error) {
	if err := fstatx(fd, st); err != nil {
		_ = unix.Close(fd)
		return Content{-1}, err
	}
	if st.Kind != File {
		_ = unix.Close(fd)
		return Content{-1}, ErrNotRegular
	}
	return Content{fd}, nil
}

// Stat examines the open file again.
func (f Content) Stat(st *Stat) error { return fstatx(f.fd, st) }

// Read reads on; 0 bytes without an error is the end.
func (f Content) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(f.fd, b)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}

// Rewind goes back to the beginning.
func (f Content) Rewind() error {
	_, err := unix.Seek(f.fd, 0, unix.SEEK_SET)
	return err
}

// Close closes the file.
func (f Content) Close() error { return unix.Close(f.fd) }
