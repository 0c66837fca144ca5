// SPDX-License-Identifier: Apache-2.0

// Package hostfile reads files and folders of a host that may be hostile: this
// machine, or an image mounted somewhere. Nothing in the host's tree can make a
// read hang (fifos, devices), grow without bound, or leave the image through a
// symbolic link. It reads only, and it does not know what the files mean.
package hostfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Errors that callers branch on.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("file is larger than we read")
)

// Info is what the kernel says of a file. Where a system has no such number
// the field is 0.
type Info struct {
	Mode  fs.FileMode
	Size  int64
	Dev   uint64
	Ino   uint64
	Nlink uint64
	UID   uint32
	GID   uint32
	Mtime time.Time
	Ctime time.Time
}

// IsRegular and IsDir are short for the same of Mode.
func (i Info) IsRegular() bool { return i.Mode.IsRegular() }

// IsDir reports whether it is a folder.
func (i Info) IsDir() bool { return i.Mode.IsDir() }

// Same reports whether both are the same file.
func (i Info) Same(o Info) bool { return i.Dev == o.Dev && i.Ino == o.Ino && i.Ino != 0 }

// FSType is the magic number of a file system, as in statfs(2); 0 if unknown.
type FSType uint64

// Magic numbers, from linux/magic.h and the file systems' own headers.
const (
	aufs      FSType = 0x61756673
	autofs    FSType = 0x187
	btrfs     FSType = 0x9123683e
	cgroup    FSType = 0x27e0eb
	cgroup2   FSType = 0x63677270
	cifs      FSType = 0xff534d42
	fuse      FSType = 0x65735546
	msdos     FSType = 0x4d44
	nfs       FSType = 0x6969
	ntfs      FSType = 0x5346544e
	overlay   FSType = 0x794c7630
	plan9     FSType = 0x01021997
	procfs    FSType = 0x9fa0
	smb       FSType = 0x517b
	smb2      FSType = 0xfe534d42
	squashfs  FSType = 0x73717368
	sysfs     FSType = 0x62656572
	ceph      FSType = 0x00c36400
	afs       FSType = 0x5346414f
	exfat     FSType = 0x2011bab0
	bcachefs  FSType = 0xca451a4e
	zfs       FSType = 0x2fc12fc1
	iso9660   FSType = 0x9660
	hugetlbfs FSType = 0x958458f6
	mqueue    FSType = 0x19800202
	devpts    FSType = 0x1cd1

	securityfs FSType = 0x73636673
	selinuxfs  FSType = 0xf97cff8c
	debugfs    FSType = 0x64626720
	tracefs    FSType = 0x74726163
	bpffs      FSType = 0xcafe4a11
	configfs   FSType = 0x62656570
	pstorefs   FSType = 0x6165676c
	fusectl    FSType = 0x65735543
	binfmtfs   FSType = 0x42494e4d
	rpcpipefs  FSType = 0x67596969
	efivarfs   FSType = 0xde5e81e4
	nsfs       FSType = 0x6e736673
)

// Network reports whether its files are on another machine.
func (t FSType) Network() bool {
	switch t {
	case nfs, cifs, smb, smb2, ceph, afs, plan9:
		return true
	}
	return false
}

// Synthetic reports whether the kernel makes its files up.
func (t FSType) Synthetic() bool {
	switch t {
	case procfs, sysfs, autofs, cgroup, cgroup2, hugetlbfs, mqueue, devpts,
		securityfs, selinuxfs, debugfs, tracefs, bpffs, configfs, pstorefs,
		fusectl, binfmtfs, rpcpipefs, efivarfs, nsfs:
		return true
	}
	return false
}

// Layered reports whether its files may have the device numbers of other file
// systems, those that it is made of.
func (t FSType) Layered() bool { return t == overlay || t == aufs }

// CountsLinks reports whether the link count of a folder is its number of
// subfolders and two. An unknown file system is believed to count: the count
// of 1 that most others give is known not to be one.
func (t FSType) CountsLinks() bool {
	switch t {
	case aufs, btrfs, overlay, msdos, ntfs, exfat, plan9, fuse, squashfs, bcachefs, zfs, iso9660, cifs, smb, smb2, ceph, afs:
		return false
	}
	return !t.Synthetic()
}

// Exists reports whether the path leads to something. It asks in more than one
// way, as a rootkit may answer one question wrong and not the other.
func (h *FS) Exists(path string) bool {
	if _, err := h.Stat(path); err == nil {
		return true
	}
	f, err := h.openPath(path)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// Open opens a regular file for reading. Anything else is ErrNotRegular, and
// neither waits for a writer nor touches a device. Symbolic links are followed
// inside the host.
func (h *FS) Open(path string) (*os.File, Info, error) {
	info, err := h.Stat(path)
	if err != nil {
		return nil, Info{}, err
	}
	if !info.IsRegular() {
		return nil, info, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	f, err := h.openRead(path)
	if err != nil {
		return nil, Info{}, err
	}
	return checked(f, path)
}

// ReadFile reads a whole regular file of at most limit bytes.
func (h *FS) ReadFile(path string, limit int64) ([]byte, error) {
	f, _, err := h.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w (%d bytes)", ErrTooLarge, limit)}
	}
	return data, nil
}

// checked makes sure that what was opened is what was asked for: between the
// look and the open it may have been exchanged.
func checked(f *os.File, path string) (*os.File, Info, error) {
	info, err := fstat(f)
	if err == nil && !info.IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, Info{}, err
	}
	return f, info, nil
}

// Dir is an open folder. Its methods look at entries of that very folder,
// whatever happens to the path meanwhile, and never follow a symbolic link.
type Dir struct {
	f *os.File
}

// Close closes it.
func (d *Dir) Close() error { return d.f.Close() }

// Names returns up to n names of entries in the kernel's order, and io.EOF
// when there are no more.
func (d *Dir) Names(n int) ([]string, error) { return d.f.Readdirnames(n) }

// Rewind starts Names over.
func (d *Dir) Rewind() error {
	_, err := d.f.Seek(0, io.SeekStart)
	return err
}

// Info is what fstat(2) says of the folder.
func (d *Dir) Info() (Info, error) { return fstat(d.f) }
