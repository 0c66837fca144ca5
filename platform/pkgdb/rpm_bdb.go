// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"encoding/binary"
	"io"
)

// A Berkeley DB file of kind hash: pages of one size, each with a head of 26
// bytes, from db_page.h of Berkeley DB.
const (
	bdbMagic     = 0x061561
	bdbHead      = 26
	bdbUnsorted  = 2  // a page of keys and values
	bdbSorted    = 13 // the same
	bdbOverflow  = 7  // a part of a large value
	bdbInPage    = 1
	bdbElsewhere = 3
)

type bdb struct {
	file  io.ReaderAt
	size  int64
	order binary.ByteOrder
	page  int64
	last  uint32
	read  int // pages that large values took
	buf   []byte
	part  []byte // a page of a large value
	f     func([]byte) error
}

// bdbHeaders looks at each page in turn: the order does not matter, and no
// chain has to be trusted but those of large values.
func bdbHeaders(file io.ReaderAt, size int64, f func([]byte) error) error {
	meta, err := readBlob(file, nil, 0, 512, size)
	if err != nil {
		return err
	}
	db := &bdb{file: file, size: size, f: f, order: binary.LittleEndian}
	if binary.BigEndian.Uint32(meta[12:]) == bdbMagic {
		db.order = binary.BigEndian
	} else if binary.LittleEndian.Uint32(meta[12:]) != bdbMagic {
		return errRPM
	}
	db.page, db.last = int64(db.order.Uint32(meta[20:])), db.order.Uint32(meta[32:])
	if db.page < 512 || db.page > 64<<10 || db.page&(db.page-1) != 0 || db.last > maxRPMPages {
		return errRPM
	}
	var page []byte
	for n := uint32(1); n <= db.last; n++ {
		if page, err = db.at(page, n); err != nil {
			return err
		}
		if kind := page[25]; kind == bdbUnsorted || kind == bdbSorted {
			if err := db.values(page); err != nil {
				return err
			}
		}
	}
	return nil
}

func (db *bdb) at(buf []byte, n uint32) ([]byte, error) {
	return readBlob(db.file, buf, int64(n)*db.page, db.page, db.size)
}

// values calls f with the values of a page: every second item. They grow from
// the end of the page downwards.
func (db *bdb) values(page []byte) error {
	entries := int(db.order.Uint16(page[20:]))
	if bdbHead+2*entries > len(page) {
		return errRPM
	}
	end := len(page)
	for i := range entries {
		start := int(db.order.Uint16(page[bdbHead+2*i:]))
		if start < bdbHead || start >= end {
			return errRPM
		}
		if i%2 == 1 {
			if err := db.value(page[start:end]); err != nil {
				return err
			}
		}
		end = start
	}
	return nil
}

func (db *bdb) value(item []byte) error {
	switch {
	case item[0] == bdbInPage && len(item) > 8:
		return db.f(item[1:])
	case item[0] == bdbElsewhere && len(item) >= 12:
		blob, err := db.large(db.order.Uint32(item[4:]), int64(db.order.Uint32(item[8:])))
		if err != nil {
			return err
		}
		return db.f(blob)
	}
	return nil // the number of the last package, a value of four bytes
}

// large puts together a value that is a chain of pages. No page belongs to two
// chains, so there are no more than the file has.
func (db *bdb) large(n uint32, size int64) ([]byte, error) {
	if size > maxRPMHeader || size > db.size {
		return nil, errRPM
	}
	db.buf = db.buf[:0]
	for int64(len(db.buf)) < size {
		if db.read++; n == 0 || int64(db.read) > int64(db.last) {
			return nil, errRPM
		}
		page, err := db.at(db.part, n)
		if err != nil {
			return nil, err
		}
		db.part = page
		length := int64(db.order.Uint16(page[22:]))
		if page[25] != bdbOverflow || length == 0 || bdbHead+length > db.page {
			return nil, errRPM
		}
		db.buf = append(db.buf, page[bdbHead:bdbHead+length]...)
		n = db.order.Uint32(page[16:])
	}
	return db.buf[:size], nil
}
