// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sort"

	"hids/modules/syscheckd/record"
	"hids/platform/fswalk"
)

// moves finds out, at the end of a scan, which of the files that were deleted
// and of those that were created are the same: the same inode, else the same
// content. The files wait in spools; in memory are some 20 bytes for each, so
// that renaming a folder with a million files stays within bounds.
type moves struct {
	gone, born spool
	lost       losses
	partner    []uint32 // by number of the born: number of the lost + 1; 0: none
}

// lost is a deleted file, in as little memory as tells it from others. Equal
// hints mean little; the records decide.
type lost struct {
	inode   uint32 // of inode and device; 0: not known
	content uint32 // of the best sum; 0: not known
	place   uint32 // in the spool, and whether it was found elsewhere
}

const takenBit = 1 << 31

func (l *lost) taken() bool { return l.place&takenBit != 0 }

func (l *lost) at() int64 { return int64(l.place&^takenBit) * spoolUnit }

// losses grows in pieces: to copy it would take as much memory again.
type losses struct {
	pieces [][]lost
	n      int
}

const lossesPiece = 4096

func (l *losses) add(x lost) {
	if l.n%lossesPiece == 0 {
		l.pieces = append(l.pieces, make([]lost, lossesPiece))
	}
	l.pieces[l.n/lossesPiece][l.n%lossesPiece] = x
	l.n++
}

func (l *losses) get(i uint32) *lost { return &l.pieces[i/lossesPiece][i%lossesPiece] }

func newMoves(dir string) *moves { return &moves{gone: spool{dir: dir}, born: spool{dir: dir}} }

func (m *moves) close() {
	m.gone.close()
	m.born.close()
}

func (m *moves) deleted(path string, encoded []byte, r *record.Record) error {
	at, err := m.gone.add(path, encoded)
	if at/spoolUnit >= takenBit {
		return errors.New("more changes than a scan can hold: accept some, or scan fewer folders at once")
	}
	m.lost.add(lost{place: uint32(at / spoolUnit), inode: inodeHint(r), content: contentHint(r)})
	return err
}

func (m *moves) created(path string, encoded []byte) error {
	_, err := m.born.add(path, encoded)
	m.partner = append(m.partner, 0)
	return err
}

func inodeHint(r *record.Record) uint32 {
	if r.Inode == 0 {
		return 0
	}
	const odd = 0x9E3779B97F4A7C15 // spreads neighbours over all bits
	return uint32(((r.Inode^r.Device<<40)*odd)>>32) | 1
}

func contentHint(r *record.Record) uint32 {
	if !record.SameContent(r, r) {
		return 0
	}
	switch {
	case r.Has&record.HasSHA256 != 0:
		return binary.LittleEndian.Uint32(r.SHA256[:]) | 1
	case r.Has&record.HasSHA1 != 0:
		return binary.LittleEndian.Uint32(r.SHA1[:]) | 1
	}
	return binary.LittleEndian.Uint32(r.MD5[:]) | 1
}

// pair looks for partners by inode first, for all, and then by content.
func (m *moves) pair() error {
	if m.lost.n == 0 || len(m.partner) == 0 {
		return nil
	}
	if err := m.match(func(l *lost) uint32 { return l.inode }, inodeHint, record.SameInode); err != nil {
		return err
	}
	return m.match(func(l *lost) uint32 { return l.content }, contentHint, record.SameContent)
}

func (m *moves) match(hintOf func(*lost) uint32, hint func(*record.Record) uint32, same func(a, b *record.Record) bool) error {
	order := m.order(hintOf)
	n := -1
	for it, err := range m.born.all() {
		if err != nil {
			return err
		}
		if n++; m.partner[n] != 0 {
			continue
		}
		now, err := record.Decode(it.encoded)
		if err != nil {
			return err
		}
		if want := hint(now); want != 0 {
			if m.partner[n], err = m.find(order, want, hintOf, now, same); err != nil {
				return err
			}
		}
	}
	return nil
}

// order returns the numbers of the lost, sorted by a hint; among equals, those
// that are met first come first.
func (m *moves) order(hintOf func(*lost) uint32) []uint32 {
	order := make([]uint32, 0, m.lost.n)
	for i := range uint32(m.lost.n) {
		if l := m.lost.get(i); hintOf(l) != 0 && !l.taken() {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(hintOf(m.lost.get(a)), hintOf(m.lost.get(b))), cmp.Compare(a, b))
	})
	return order
}

// equals is how many of equal hint are looked at for one file: there may be a
// million copies of one content.
const equals = 64

func (m *moves) find(order []uint32, want uint32, hintOf func(*lost) uint32, now *record.Record,
	same func(a, b *record.Record) bool,
) (uint32, error) {
	from := sort.Search(len(order), func(i int) bool { return hintOf(m.lost.get(order[i])) >= want })
	for i := from; i < len(order) && i < from+equals; i++ {
		l := m.lost.get(order[i])
		if hintOf(l) != want {
			break
		}
		if l.taken() {
			continue
		}
		it, err := m.gone.at(l.at())
		if err != nil {
			return 0, err
		}
		old, err := record.Decode(it.encoded)
		if err != nil {
			return 0, err
		}
		if same(old, now) {
			l.place |= takenBit
			return order[i] + 1, nil
		}
	}
	return 0, nil
}

// outcome is what became of one file.
type outcome struct {
	item
	created bool
	from    item // where a created file was before; its path is empty if nowhere
}

// outcomes returns everything in the order of the walk. A deleted file that is
// found elsewhere is told there.
func (m *moves) outcomes() iter.Seq2[outcome, error] {
	return func(yield func(outcome, error) bool) {
		next, stop := iter.Pull2(m.deletions())
		defer stop()
		gone, err, more := next()
		n := -1
		for it, bornErr := range m.born.all() {
			for ; more && bornErr == nil && (err != nil || fswalk.Compare(gone.path, it.path) <= 0); gone, err, more = next() {
				if !yield(outcome{item: gone}, err) || err != nil {
					return
				}
			}
			n++
			out, err := m.birth(n, it, bornErr)
			if !yield(out, err) || err != nil {
				return
			}
		}
		for ; more; gone, err, more = next() {
			if !yield(outcome{item: gone}, err) || err != nil {
				return
			}
		}
	}
}

func (m *moves) birth(n int, it item, err error) (outcome, error) {
	out := outcome{item: it, created: true}
	if err == nil && m.partner[n] != 0 {
		out.from, err = m.gone.at(m.lost.get(m.partner[n] - 1).at())
	}
	return out, err
}

// deletions returns the deleted files that are nowhere else.
func (m *moves) deletions() iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		n := -1
		for it, err := range m.gone.all() {
			if n++; err == nil && m.lost.get(uint32(n)).taken() {
				continue
			}
			if !yield(it, err) {
				return
			}
		}
	}
}
