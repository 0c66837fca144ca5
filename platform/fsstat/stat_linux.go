// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

const nanos = 1_000_000_000

func fstatx(fd int, st *Stat) error {
	var empty [1]byte
	err := statx(fd, unsafe.Pointer(&empty), unix.AT_EMPTY_PATH, st)
	if noStatx(err) {
		var s unix.Stat_t
		if err = unix.Fstat(fd, &s); err == nil {
			fromStat(&s, st)
		}
	}
	return err
}

func lstatx(fd int, name *Name, st *Stat) error {
	err := statx(fd, name.pointer(), unix.AT_SYMLINK_NOFOLLOW, st)
	if noStatx(err) {
		var s unix.Stat_t
		if err = unix.Fstatat(fd, name.String(), &s, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			fromStat(&s, st)
		}
	}
	return err
}

// noStatx: before Linux 4.11, or below a seccomp filter older than the call.
func noStatx(err error) bool {
	return err != nil && (errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM))
}

// statx fills st. One call gives the chattr flags too, which would otherwise
// cost an open and an ioctl.
func statx(fd int, path unsafe.Pointer, flags int, st *Stat) error {
	var x unix.Statx_t
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(path),
			uintptr(flags), unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(&x)), 0)
		switch errno {
		case 0:
			fromStatx(&x, st)
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func fromStatx(x *unix.Statx_t, st *Stat) {
	*st = Stat{
		Kind:      kindOfMode(uint32(x.Mode)),
		Mode:      uint32(x.Mode),
		UID:       x.Uid,
		GID:       x.Gid,
		Size:      int64(x.Size),
		Mtime:     x.Mtime.Sec*nanos + int64(x.Mtime.Nsec),
		Ctime:     x.Ctime.Sec*nanos + int64(x.Ctime.Nsec),
		Inode:     x.Ino,
		Device:    unix.Mkdev(x.Dev_major, x.Dev_minor),
		Links:     uint64(x.Nlink),
		Flags:     x.Attributes,
		FlagsMask: x.Attributes_mask,
		HasFlags:  x.Attributes_mask != 0,
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		st.Btime = x.Btime.Sec*nanos + int64(x.Btime.Nsec)
	}
	if st.Kind == CharDevice || st.Kind == BlockDevice {
		st.Rdev = unix.Mkdev(x.Rdev_major, x.Rdev_minor)
	}
}

func fromStat(s *unix.Stat_t, st *Stat) {
	*st = Stat{
		Kind: kindOfMode(s.Mode), Mode: s.Mode, UID: s.Uid, GID: s.Gid, Size: s.Size,
		Mtime: s.Mtim.Nano(), Ctime: s.Ctim.Nano(),
		Inode: s.Ino, Device: s.Dev, Links: wide(s.Nlink),
	}
	if st.Kind == CharDevice || st.Kind == BlockDevice {
		st.Rdev = s.Rdev
	}
}

// wide takes a field that is of 32 bits on some processors and of 64 on others.
func wide[T uint32 | uint64](n T) uint64 { return uint64(n) }

func kindOfMode(mode uint32) Kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return File
	case unix.S_IFDIR:
		return Dir
	case unix.S_IFLNK:
		return Symlink
	case unix.S_IFIFO:
		return FIFO
	case unix.S_IFSOCK:
		return Socket
	case unix.S_IFCHR:
		return CharDevice
	case unix.S_IFBLK:
		return BlockDevice
	}
	return Unknown
}

func fsType(fd int) (FSType, error) {
	var s unix.Statfs_t
	for {
		err := unix.Fstatfs(fd, &s)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return FSLocal, err
		}
		return groupOf(uint32(s.Type)), nil
	}
}

// groupOf knows file systems by their magic numbers, statfs(2).
func groupOf(magic uint32) FSType {
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC,
		unix.NCP_SUPER_MAGIC:
		return FSNetwork
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.DEVPTS_SUPER_MAGIC,
		unix.PSTOREFS_MAGIC, unix.EFIVARFS_MAGIC, unix.BINFMTFS_MAGIC, unix.SELINUX_MAGIC, unix.SMACK_MAGIC,
		unix.NSFS_MAGIC, unix.RDTGROUP_SUPER_MAGIC, configfsMagic, fusectlMagic, mqueueMagic:
		return FSPseudo
	}
	return FSLocal
}

// Magic numbers that x/sys has no names for, from the kernel's sources.
const (
	configfsMagic = 0x62656570
	fusectlMagic  = 0x65735543
	mqueueMagic   = 0x19800202
)
