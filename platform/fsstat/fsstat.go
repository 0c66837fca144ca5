// SPDX-License-Identifier: Apache-2.0

// Package fsstat opens, lists and examines files the way a scan of a hostile
// tree must: relative to an open directory, never through a symbolic link,
// never waiting for the other end of a FIFO, with names of any bytes and paths
// of any length. On Linux it is bare system calls that allocate nothing per
// file; elsewhere the os package does what it can. What is done with the facts,
// in which order and by how many, belongs to fswalk and the modules.
package fsstat

import (
	"bytes"
	"errors"
	"slices"
)

// Kind is what kind of file a name stands for.
type Kind uint8

// The kinds. Unknown is what a file system says that does not tell.
const (
	Unknown Kind = iota
	File
	Dir
	Symlink
	FIFO
	Socket
	CharDevice
	BlockDevice
)

// Stat is what the file system says of one file.
type Stat struct {
	Kind         Kind
	HasFlags     bool
	Mode         uint32 // st_mode with the type bits; made up where there is none
	UID, GID     uint32
	Size         int64
	Mtime, Ctime int64 // nanoseconds since 1970
	Btime        int64 // when the file came to be, the same; 0: not known
	Inode        uint64
	Device       uint64
	Rdev         uint64
	Links        uint64
	Flags        uint64 // statx(2) stx_attributes, or file attributes << WindowsShift
	FlagsMask    uint64 // statx(2) stx_attributes_mask
}

// WindowsShift puts the file attributes of Windows above those of statx(2), so
// that a bit means the same thing everywhere.
const WindowsShift = 40

// SameFile reports whether both are of one inode.
func (s *Stat) SameFile(o *Stat) bool { return s.Inode == o.Inode && s.Device == o.Device }

// Unchanged reports whether nothing was written between two looks at one file.
func (s *Stat) Unchanged(o *Stat) bool {
	return s.SameFile(o) && s.Size == o.Size && s.Mtime == o.Mtime && s.Ctime == o.Ctime
}

// ErrNotRegular is returned by OpenFile for what is not, or no longer, a
// regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrLeased is returned by OpenFile for a file on which another process holds
// a lease, fcntl(2): waiting for it could take most of a minute.
var ErrLeased = errors.New("another program holds a lease on it: look again later")

// FSType groups file systems by what a scan may do with them.
type FSType uint8

// The groups.
const (
	FSLocal   FSType = iota
	FSNetwork        // another machine answers: NFS, SMB, Ceph, 9p, AFS
	FSPseudo         // the kernel makes it up: proc, sysfs, cgroup and their like
)

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// List is the content of one directory, sorted by the bytes of the names. It
// keeps its memory from one use to the next.
type List struct {
	names   [][]byte // in pieces, so that a long list is never copied to grow
	used    int      // pieces that hold names now
	entries []entry
	buf     []byte
}

// entry is one name: which piece of List.names, where in it, how long. Eight
// bytes, because a directory may have millions.
type entry struct {
	piece uint32
	at    uint16
	size  uint16 // with kind in the upper four bits
}

const (
	pieceSize = 32 << 10
	maxName   = 1<<12 - 1 // of any system's, 255 on most
	kindShift = 12
)

// Len returns the number of entries, . and .. not counted.
func (l *List) Len() int { return len(l.entries) }

// Name returns the name of entry i. It is valid until the next Read.
func (l *List) Name(i int) []byte { return l.name(l.entries[i]) }

func (l *List) name(e entry) []byte {
	return l.names[e.piece][e.at : int(e.at)+int(e.size&maxName)]
}

// Kind returns the kind of entry i as the directory tells it.
func (l *List) Kind(i int) Kind { return Kind(l.entries[i].size >> kindShift) }

func (l *List) setKind(i int, k Kind) {
	l.entries[i].size = l.entries[i].size&maxName | uint16(k)<<kindShift
}

// Small reports whether the list is worth keeping for another directory.
func (l *List) Small() bool { return len(l.names) <= 8 && cap(l.entries) <= 1<<14 }

func (l *List) reset() {
	l.entries, l.used = l.entries[:0], 0
}

func (l *List) add(name []byte, kind Kind) error {
	if len(name) > maxName {
		return errors.New("a name longer than any system allows")
	}
	if l.used == 0 || len(l.names[l.used-1])+len(name) > pieceSize {
		if l.used == len(l.names) {
			l.names = append(l.names, make([]byte, 0, pieceSize))
		}
		l.names[l.used] = l.names[l.used][:0]
		l.used++
	}
	piece := &l.names[l.used-1]
	l.entries = append(l.entries, entry{uint32(l.used - 1), uint16(len(*piece)), uint16(len(name)) | uint16(kind)<<kindShift})
	*piece = append(*piece, name...)
	return nil
}

func (l *List) sort() {
	slices.SortFunc(l.entries, func(a, b entry) int { return bytes.Compare(l.name(a), l.name(b)) })
}
