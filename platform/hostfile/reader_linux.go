// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"bytes"
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reader lists folders and looks at their entries without allocating for each:
// for walks over a whole host. It serves one goroutine.
type Reader struct {
	buf []byte
	st  unix.Statx_t
}

// NewReader returns a Reader.
func NewReader() *Reader { return &Reader{buf: make([]byte, 64<<10)} }

// Entry is one name of a folder. It is valid until the function that got it
// returns.
type Entry struct {
	r    *Reader
	dir  int
	name []byte // with the final NUL
	kind byte   // DT_* of readdir(3)
}

// Name is the entry's name.
func (e Entry) Name() []byte { return e.name[:len(e.name)-1] }

// Special reports that the folder itself tells that the entry is a symbolic
// link, a device, a socket or a fifo.
func (e Entry) Special() bool {
	return e.kind != unix.DT_UNKNOWN && e.kind != unix.DT_DIR && e.kind != unix.DT_REG
}

// Each calls f with every entry of the folder but "." and "..".
func (r *Reader) Each(d *Dir, f func(Entry)) error {
	fd := int(d.f.Fd())
	for {
		var n int
		err := ignoringEINTR(func() (err error) {
			n, err = unix.Getdents(fd, r.buf)
			return err
		})
		if n <= 0 || err != nil {
			return err
		}
		r.entries(fd, r.buf[:n], f)
	}
}

// entries walks one buffer of struct linux_dirent64: inode, offset, length of
// the record, kind, name with a NUL.
func (r *Reader) entries(fd int, b []byte, f func(Entry)) {
	const header = 19
	for len(b) > header {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size <= header || size > len(b) {
			return
		}
		if end := bytes.IndexByte(b[header:size], 0); end > 0 {
			name := b[header : header+end+1]
			if s := string(name[:end]); s != "." && s != ".." {
				f(Entry{r, fd, name, b[18]})
			}
		}
		b = b[size:]
	}
}

// Statx is Dir.Statx of the entry.
func (e Entry) Statx() (Info, Attr, error) {
	st := &e.r.st
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(e.dir), uintptr(unsafe.Pointer(&e.name[0])), statxFlags,
			unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			info, attr := fromStatx(st)
			return info, attr, nil
		case unix.EINTR:
			continue
		}
		return Info{}, Attr{}, errno
	}
}

// statxFlags: mount nothing on the way, and take a remote file system's word
// from its cache.
const statxFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC

func fromStatx(st *unix.Statx_t) (Info, Attr) {
	return Info{
			Mode:  mode(uint32(st.Mode)),
			Size:  int64(st.Size),
			Dev:   unix.Mkdev(st.Dev_major, st.Dev_minor),
			Ino:   st.Ino,
			Nlink: uint64(st.Nlink),
			UID:   st.Uid,
			GID:   st.Gid,
			Mtime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)),
			Ctime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)),
		}, Attr{
			Immutable:  st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0,
			AppendOnly: st.Attributes&unix.STATX_ATTR_APPEND != 0,
			Automount:  st.Attributes&unix.STATX_ATTR_AUTOMOUNT != 0,
			Mounted:    st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0,
		}
}
