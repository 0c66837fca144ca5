// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// maxXattr is the largest value of an attribute, xattr(7).
const maxXattr = 64 << 10

// watched reports whether an attribute decides who may do what: those are
// read, the others (user.*, overlay's bookkeeping) are not.
func watched(name []byte) bool {
	switch string(name) {
	case "security.capability", "security.selinux", "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	return false
}

// Xattrs reads capabilities, SELinux label and POSIX ACLs of an open file,
// sorted by name. ok is false where the file system can't tell.
func (f Content) Xattrs(scratch []byte) (list []Xattr, ok bool) { return fdXattrs(f.fd, scratch) }

// Xattrs is Content.Xattrs for the directory itself.
func (d *Directory) Xattrs(scratch []byte) (list []Xattr, ok bool) { return fdXattrs(d.fd, scratch) }

// XattrsOf is Content.Xattrs for what is called name in d, links not followed.
// It needs procfs.
func (d *Directory) XattrsOf(name *Name, scratch []byte) (list []Xattr, ok bool) {
	path := d.procPath(name)
	return xattrs(scratch,
		func(b []byte) (int, error) { return unix.Llistxattr(path, b) },
		func(attr string, b []byte) (int, error) { return unix.Lgetxattr(path, attr, b) })
}

func fdXattrs(fd int, scratch []byte) ([]Xattr, bool) {
	n, err := unix.Flistxattr(fd, scratch)
	if err == nil && n == 0 {
		return nil, true // nearly every file: no closure, no allocation
	}
	return xattrs(scratch,
		func(b []byte) (int, error) { return unix.Flistxattr(fd, b) },
		func(attr string, b []byte) (int, error) { return unix.Fgetxattr(fd, attr, b) })
}

func xattrs(scratch []byte, names func([]byte) (int, error), value func(string, []byte) (int, error)) ([]Xattr, bool) {
	n, err := names(scratch)
	if errors.Is(err, unix.ERANGE) {
		scratch = make([]byte, maxXattr) // a list of names is never longer, listxattr(2)
		n, err = names(scratch)
	}
	if err != nil {
		return nil, false
	}
	var list []Xattr
	for name := range bytes.SplitSeq(scratch[:n], []byte{0}) {
		if !watched(name) {
			continue
		}
		v, err := readXattr(string(name), value)
		switch {
		case errors.Is(err, unix.ENODATA): // gone since it was listed
		case err != nil:
			return nil, false
		default:
			list = append(list, Xattr{string(name), v})
		}
	}
	slices.SortFunc(list, func(a, b Xattr) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return list, true
}

func readXattr(name string, value func(string, []byte) (int, error)) ([]byte, error) {
	b := make([]byte, 256)
	n, err := value(name, b)
	if errors.Is(err, unix.ERANGE) {
		b = make([]byte, maxXattr)
		n, err = value(name, b)
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(b[:n]), nil
}
