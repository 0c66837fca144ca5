// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostfile

import (
	"errors"
	"io"
)

// Statx is Lstat: other systems tell no more.
func (d *Dir) Statx(name string) (Info, Attr, error) {
	info, err := d.Lstat(name)
	return info, Attr{}, err
}

// Capabilities is Linux's.
func (*Dir) Capabilities(string) ([]byte, error) { return nil, errors.ErrUnsupported }

// Reader lists folders and looks at their entries, for walks over a whole host.
type Reader struct{}

// NewReader returns a Reader.
func NewReader() *Reader { return &Reader{} }

// Entry is one name of a folder.
type Entry struct {
	dir  *Dir
	name string
}

// Name is the entry's name.
func (e Entry) Name() []byte { return []byte(e.name) }

// Special reports what the folder itself tells of the entry, which is nothing
// here.
func (Entry) Special() bool { return false }

// Statx is Dir.Statx of the entry.
func (e Entry) Statx() (Info, Attr, error) { return e.dir.Statx(e.name) }

// Each calls f with every entry of the folder.
func (*Reader) Each(d *Dir, f func(Entry)) error {
	for {
		names, err := d.Names(4096)
		for _, name := range names {
			f(Entry{d, name})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
