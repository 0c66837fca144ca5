// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"encoding/binary"
	"io"
	"os"
)

// sqlite reads the rows of one table of a SQLite database, as
// sqlite.org/fileformat.html describes it. It takes no lock: whoever writes
// meanwhile does so to the journal, and a page that changes all the same makes
// an error of this reading, never a wrong answer about a package's file that
// its sum would not contradict.
type sqlite struct {
	file    io.ReaderAt
	size    int64
	page    int64
	usable  int64            // of a page
	journal map[uint32]int64 // page to where its newest version is in wal
	wal     io.ReaderAt
	walSize int64
	visited int // pages of trees, and of large rows
	row     []byte
}

// Kinds of b-tree pages of tables.
const (
	sqliteInterior = 5
	sqliteLeaf     = 13
)

func sqliteHeaders(file io.ReaderAt, size int64, wal *os.File, f func([]byte) error) error {
	head, err := readBlob(file, nil, 0, 100, size)
	if err != nil {
		return err
	}
	db := &sqlite{file: file, size: size, page: int64(binary.BigEndian.Uint16(head[16:]))}
	if db.page == 1 {
		db.page = 64 << 10
	}
	db.usable = db.page - int64(head[20])
	if db.page < 512 || db.page&(db.page-1) != 0 || db.usable < 480 {
		return errRPM
	}
	if wal != nil {
		if err := db.readJournal(wal); err != nil {
			return err
		}
	}
	root, err := db.root("Packages")
	if err != nil || root == 0 {
		return err
	}
	return db.rows(root, 0, func(row []byte) error {
		values, err := record(row)
		if err != nil {
			return err
		}
		if len(values) < 2 || len(values[1]) == 0 {
			return errRPM // hnum INTEGER PRIMARY KEY, blob BLOB
		}
		return f(values[1])
	})
}

// root finds a table: page 1 is the root of the table of tables, whose rows
// are type, name, table, root, text. 0: there is none.
func (db *sqlite) root(table string) (uint32, error) {
	var root uint32
	err := db.rows(1, 0, func(row []byte) error {
		values, err := record(row)
		if err != nil || len(values) < 4 {
			return err
		}
		if string(values[0]) == "table" && string(values[1]) == table {
			root = 0
			for _, b := range values[3] {
				root = root<<8 | uint32(b)
			}
		}
		return nil
	})
	return root, err
}

// rows calls f with every row below a page. A page is in a tree once, so there
// are no more than the file and its journal have.
func (db *sqlite) rows(n uint32, depth int, f func([]byte) error) error {
	page, err := db.at(n)
	if err != nil {
		return err
	}
	head := page
	if n == 1 {
		head = page[100:]
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	pointers, interior := 8, head[0] == sqliteInterior
	if interior {
		pointers = 12
	}
	if depth > 32 || !interior && head[0] != sqliteLeaf || pointers+2*cells > len(head) {
		return errRPM
	}
	for i := range cells {
		at := int(binary.BigEndian.Uint16(head[pointers+2*i:]))
		if at+4 > len(page) {
			return errRPM
		}
		if interior {
			err = db.rows(binary.BigEndian.Uint32(page[at:]), depth+1, f)
		} else {
			err = db.leaf(page[at:], f)
		}
		if err != nil {
			return err
		}
	}
	if interior {
		return db.rows(binary.BigEndian.Uint32(head[8:]), depth+1, f)
	}
	return nil
}

// at reads a page. Each call has memory of its own: a parent's page is in use
// while its children are read.
func (db *sqlite) at(n uint32) ([]byte, error) {
	if db.visited++; n == 0 || int64(db.visited) > 4+2*(db.size/db.page)+int64(len(db.journal)) {
		return nil, errRPM
	}
	if offset, ok := db.journal[n]; ok {
		return readBlob(db.wal, nil, offset, db.page, db.walSize)
	}
	return readBlob(db.file, nil, int64(n-1)*db.page, db.page, db.size)
}

// leaf calls f with a row: its size, its number, and what of it is on this
// page; the rest is in a chain of others.
func (db *sqlite) leaf(cell []byte, f func([]byte) error) error {
	size, n := varint(cell)
	_, m := varint(cell[n:])
	if n == 0 || m == 0 || size > maxRPMHeader || int64(size) > db.size+db.walSize {
		return errRPM
	}
	cell = cell[n+m:]
	local := db.local(int64(size))
	if local > int64(len(cell)) {
		return errRPM
	}
	if local == int64(size) {
		return f(cell[:local])
	}
	if local+4 > int64(len(cell)) {
		return errRPM
	}
	db.row = append(db.row[:0], cell[:local]...)
	next := binary.BigEndian.Uint32(cell[local:])
	for int64(len(db.row)) < int64(size) {
		page, err := db.at(next)
		if err != nil {
			return err
		}
		next = binary.BigEndian.Uint32(page)
		db.row = append(db.row, page[4:min(db.usable, 4+int64(size)-int64(len(db.row)))]...)
	}
	return f(db.row)
}

// local is how much of a row of this size is on its own page.
func (db *sqlite) local(size int64) int64 {
	most := db.usable - 35
	if size <= most {
		return size
	}
	least := (db.usable-12)*32/255 - 23
	if k := least + (size-least)%(db.usable-4); k <= most {
		return k
	}
	return least
}

// maxValues is how many values of a row are of interest: no table that is read
// has more. A head full of empty ones would take a hundred times its size.
const maxValues = 8

// record splits a row into its first values: numbers big-endian, text and blobs
// as they are.
func record(row []byte) ([][]byte, error) {
	head, n := varint(row)
	if n == 0 || head > uint64(len(row)) || head < uint64(n) {
		return nil, errRPM
	}
	kinds, data := row[n:head], row[head:]
	var values [][]byte
	for len(kinds) > 0 && len(values) < maxValues {
		kind, n := varint(kinds)
		size := serialSize(kind)
		if n == 0 || size > uint64(len(data)) {
			return nil, errRPM
		}
		values = append(values, data[:size])
		kinds, data = kinds[n:], data[size:]
	}
	return values, nil
}

// serialSize is how many bytes a value of a kind has.
func serialSize(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind == 5:
		return 6
	case kind == 6, kind == 7:
		return 8
	case kind <= 4:
		return kind
	}
	return 0 // the constants 0 and 1
}

// varint reads a number of one to nine bytes; n is 0 if it is cut short.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7f)
		if n++; b[n-1] < 0x80 {
			return v, n
		}
	}
	if n < len(b) && n == 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}

// readJournal finds the newest committed version of each page in the
// write-ahead log. Frames of an earlier use of the log have another salt, and
// of a torn write another sum.
func (db *sqlite) readJournal(wal *os.File) error {
	info, err := wal.Stat()
	if err != nil {
		return err
	}
	const headLen, frameLen = 32, 24
	head, err := readBlob(wal, nil, 0, headLen, info.Size())
	if err != nil {
		return nil // empty: nothing was written since the last checkpoint
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(head) {
	case 0x377f0683:
		order = binary.BigEndian
	case 0x377f0682:
	default:
		return nil
	}
	sum := walSum{order: order}
	if sum.add(head[:24]); int64(binary.BigEndian.Uint32(head[8:])) != db.page || !sum.is(head[24:]) {
		return nil
	}
	db.wal, db.walSize, db.journal = wal, info.Size(), map[uint32]int64{}
	pending := map[uint32]int64{}
	frame := make([]byte, frameLen+db.page)
	for at := int64(headLen); at+int64(len(frame)) <= db.walSize; at += int64(len(frame)) {
		if len(pending) > maxJournal || len(db.journal) > maxJournal {
			return errRPM
		}
		if _, err := wal.ReadAt(frame, at); err != nil {
			return err
		}
		if string(frame[8:16]) != string(head[16:24]) {
			break
		}
		sum.add(frame[:8])
		if sum.add(frame[frameLen:]); !sum.is(frame[16:]) {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = at + frameLen
		if binary.BigEndian.Uint32(frame[4:]) == 0 {
			continue
		}
		for n, offset := range pending { // this frame ends a transaction
			db.journal[n] = offset
		}
		clear(pending)
	}
	return nil
}

// walSum is the log's running sum, over words in the order that its head says.
type walSum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (s *walSum) add(data []byte) {
	for ; len(data) >= 8; data = data[8:] {
		s.a += s.order.Uint32(data) + s.b
		s.b += s.order.Uint32(data[4:]) + s.a
	}
}

func (s *walSum) is(stored []byte) bool {
	return binary.BigEndian.Uint32(stored) == s.a && binary.BigEndian.Uint32(stored[4:]) == s.b
}
