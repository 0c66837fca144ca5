// SPDX-License-Identifier: Apache-2.0

// Package record has what syscheckd knows of one file: the Record, its binary
// encoding for the baseline, and Diff, which names the attributes in which two
// records differ. How a record comes about is package scan's business, where it
// is kept is package baseline's; nothing here touches a file.
package record

import "bytes"

// Type is what kind of file a record is of. The values are stored: never
// renumber them.
type Type uint8

// The types of file.
const (
	Unknown Type = iota
	File
	Dir
	Symlink
	FIFO
	Socket
	CharDevice
	BlockDevice
)

var typeNames = [...]string{"unknown", "file", "dir", "symlink", "fifo", "socket", "char_device", "block_device"}

// String returns the name used in events: "file", "dir", "symlink", …
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return typeNames[Unknown]
}

// Has says which optional parts of a record are known. A part that is not
// known is never compared: not known is not the same as empty.
type Has uint16

// The optional parts. The values are stored: never renumber them.
const (
	HasMD5 Has = 1 << iota
	HasSHA1
	HasSHA256
	HasXattrs // Xattrs was read; it may be empty
	HasFlags  // Flags was read; FlagsMask says which of its bits the file system knows

	HasSums = HasMD5 | HasSHA1 | HasSHA256
)

// Mark says what was odd when the record was made. The values are stored:
// never renumber them.
type Mark uint8

// The marks.
const (
	// MarkChanging: the file changed under each of a bounded number of reads,
	// so the sums may be those of no state it ever was in.
	MarkChanging Mark = 1 << iota
	// MarkUnread: the content could not be read. Sums, if there are any, are
	// those of the last time it could.
	MarkUnread
	// MarkTooLarge: larger than the configured limit, so not read.
	MarkTooLarge
	// MarkTargetSums: the record is of a symbolic link, and the sums are those
	// of the regular file it leads to, which is what OSSEC reports.
	MarkTargetSums
)

// Record is the state of one file as it was seen. Names of owner and group are
// not kept, they are looked up when a change is told: a million records would
// repeat a handful of them.
type Record struct {
	Type      Type
	Marks     Mark
	Has       Has
	Size      int64  // bytes
	Mode      uint32 // st_mode with the type bits, as stat(2) gives it
	UID, GID  uint32
	Mtime     int64 // nanoseconds since 1970
	Ctime     int64 // nanoseconds since 1970
	Btime     int64 // when the file came to be; 0: not known
	Inode     uint64
	Device    uint64 // of the file system, as stat(2) gives it
	Rdev      uint64 // of a device node; else 0
	Links     uint64
	Target    string // of a symbolic link, as readlink(2) gives it
	MD5       [16]byte
	SHA1      [20]byte
	SHA256    [32]byte
	Xattrs    []Xattr // sorted by name
	Flags     uint64  // statx(2) stx_attributes; on Windows the file attributes
	FlagsMask uint64  // which of Flags the file system knows
}

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// Clone returns a copy that shares nothing with r.
func (r *Record) Clone() *Record {
	c := *r
	c.Xattrs = nil
	for _, x := range r.Xattrs {
		c.Xattrs = append(c.Xattrs, Xattr{x.Name, bytes.Clone(x.Value)})
	}
	return &c
}

// Inherit copies from old the sums that r lacks because its content could not
// be read. So a file that is unreadable for a while is compared with what it
// was before, and not taken as it is when it can be read again.
func (r *Record) Inherit(old *Record) {
	if r.Marks&MarkUnread == 0 || old == nil || old.Type != r.Type {
		return
	}
	missing := old.Has & HasSums &^ r.Has
	if missing&HasMD5 != 0 {
		r.MD5 = old.MD5
	}
	if missing&HasSHA1 != 0 {
		r.SHA1 = old.SHA1
	}
	if missing&HasSHA256 != 0 {
		r.SHA256 = old.SHA256
	}
	r.Has |= missing
}

// SameInode reports whether a and b are one file on disk, although perhaps not
// under one name. Numbers of inodes are used again, so the time of birth must
// agree too, or else what a move leaves alone.
func SameInode(a, b *Record) bool {
	if a.Type != b.Type || a.Inode != b.Inode || a.Device != b.Device || a.Inode == 0 {
		return false
	}
	if a.Btime != 0 && b.Btime != 0 {
		return a.Btime == b.Btime
	}
	return a.Mtime == b.Mtime && (a.Type == Dir || a.Size == b.Size)
}

// SameContent reports whether a and b are regular files with the same content,
// as far as a sum that both have can tell. Empty files never are: they have
// nothing by which to tell one from another.
func SameContent(a, b *Record) bool {
	if a.Type != File || b.Type != File || a.Size != b.Size || a.Size == 0 {
		return false
	}
	switch both := a.Has & b.Has; {
	case both&HasSHA256 != 0:
		return a.SHA256 == b.SHA256
	case both&HasSHA1 != 0:
		return a.SHA1 == b.SHA1
	case both&HasMD5 != 0:
		return a.MD5 == b.MD5
	}
	return false
}
