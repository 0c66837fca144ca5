// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"hids/platform/hostfile"
)

// rpm keeps one header for each package, in one of three kinds of file. There
// is a library that reads them, github.com/knqyf263/go-rpmdb v0.1.1. It is not
// used here because whoever is root on a host that is looked at can write that
// file: of 60 Berkeley databases with damaged page headers it read 14 without
// end, and a panic in the goroutines that it starts would end this process. It
// keeps every package in memory (60 MiB for a CentOS 7 with 396 packages), and
// reads SQLite only through a driver of its caller's, of which the one without
// C, modernc.org/sqlite v1.61.1, adds 4.7 MB to a program of 12.7.
type rpm struct{ file string }

// rpmFiles are the places of the database, in the order in which rpm got them:
// SQLite (rpm 4.16), ndb (SUSE), Berkeley DB (until 4.15).
func rpmFiles() []string {
	var files []string
	for _, dir := range []string{"/usr/lib/sysimage/rpm/", "/var/lib/rpm/", "/usr/share/rpm/"} {
		for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
			files = append(files, dir+name)
		}
	}
	return files
}

// Limits of what is read of a database. A kernel's header has some 2 MB, and
// the packages with most files some 100,000.
const (
	maxRPMHeader = 32 << 20
	maxRPMPages  = 1 << 22
	maxJournal   = 1 << 18 // pages of SQLite's journal
	maxRPMFiles  = 1 << 19 // of one package
	maxRPMPath   = 4 << 10 // PATH_MAX of Linux
)

var errRPM = errors.New("rpm database is damaged")

func (r rpm) owners(ctx context.Context, files *hostfile.FS, q *query) error {
	return r.each(ctx, files, func(f *rpmFile) {
		if f.installed() && q.wants(f.path) {
			q.answer(string(f.path), Sum{Package: f.pkg})
		}
	})
}

func (r rpm) sums(ctx context.Context, files *hostfile.FS, q *query) error {
	return r.each(ctx, files, func(f *rpmFile) {
		if f.installed() && f.fixed() && q.wants(f.path) {
			q.answer(string(f.path), Sum{Package: f.pkg, Algo: f.algo, Hex: string(f.digest)})
		}
	})
}

// each calls f with every file of every package. A header that makes no sense
// leaves its package out.
func (r rpm) each(ctx context.Context, files *hostfile.FS, f func(*rpmFile)) error {
	db, info, err := files.Open(r.file)
	if err != nil {
		return err
	}
	defer db.Close()
	wal, closeWAL := openWAL(files, r.file+"-wal")
	defer closeWAL()
	var failed leftOut
	err = rpmHeaders(db, info.Size, wal, func(header []byte) error {
		if err := parseRPMHeader(header, f); err != nil {
			failed.add(err)
		}
		return ctx.Err()
	})
	if err == nil {
		err = failed.err()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("read %s: %w", r.file, err)
	}
	return err
}

// openWAL opens SQLite's journal, which is there while somebody has the
// database open or after a crash.
func openWAL(files *hostfile.FS, name string) (*os.File, func()) {
	wal, _, err := files.Open(name)
	if err != nil {
		return nil, func() {}
	}
	return wal, func() { wal.Close() }
}

// rpmHeaders calls f with the header of each package; it is valid during the
// call. What kind of file it is, its first bytes tell. Together the headers are
// no larger than the files: each is in there once, whatever points to it.
func rpmHeaders(db io.ReaderAt, size int64, wal *os.File, f func([]byte) error) error {
	left := size + sizeOf(wal)
	return rpmBlobs(db, size, wal, func(header []byte) error {
		if left -= int64(len(header)); left < 0 {
			return errRPM
		}
		return f(header)
	})
}

func sizeOf(wal *os.File) int64 {
	if wal == nil {
		return 0
	}
	info, err := wal.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

func rpmBlobs(db io.ReaderAt, size int64, wal *os.File, f func([]byte) error) error {
	var magic [16]byte
	if _, err := db.ReadAt(magic[:], 0); errors.Is(err, io.EOF) {
		return nil // empty: no package yet
	} else if err != nil {
		return err
	}
	switch {
	case string(magic[:]) == "SQLite format 3\x00":
		return sqliteHeaders(db, size, wal, f)
	case string(magic[:4]) == "RpmP":
		return ndbHeaders(db, size, f)
	}
	return bdbHeaders(db, size, f)
}

// readBlob reads a part of the file of at most maxRPMHeader bytes, into buf if
// it is large enough.
func readBlob(db io.ReaderAt, buf []byte, offset, n, size int64) ([]byte, error) {
	if n < 0 || n > maxRPMHeader || offset < 0 || offset+n > size {
		return nil, errRPM
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	_, err := db.ReadAt(buf[:n], offset)
	return buf[:n], err
}

// ndbHeaders reads rpm's own format: pages of slots that say where each
// package's blob is, in blocks of 16 bytes.
func ndbHeaders(db io.ReaderAt, size int64, f func([]byte) error) error {
	const page, block, slotLen = 4096, 16, 16
	head, err := readBlob(db, nil, 0, 32, size)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	pages := int64(le.Uint32(head[12:]))
	if pages > maxRPMPages {
		return errRPM
	}
	slots, err := readBlob(db, nil, 0, pages*page, size)
	if err != nil {
		return err
	}
	var buf []byte
	// The first two slots are the file's head.
	for at := 2 * slotLen; at+slotLen <= len(slots); at += slotLen {
		slot := slots[at:]
		if string(slot[:4]) != "Slot" {
			return errRPM
		}
		if le.Uint32(slot[4:]) == 0 {
			continue // free
		}
		offset := int64(le.Uint32(slot[8:])) * block
		if buf, err = ndbBlob(db, buf, offset, size, le.Uint32(slot[4:])); err != nil {
			return err
		}
		if err := f(buf); err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob reads "BlbS", the package's number, a generation, a length, a header.
func ndbBlob(db io.ReaderAt, buf []byte, offset, size int64, pkg uint32) ([]byte, error) {
	head, err := readBlob(db, nil, offset, 16, size)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(head[:4]) != "BlbS" || le.Uint32(head[4:]) != pkg {
		return nil, errRPM
	}
	return readBlob(db, buf, offset+16, int64(le.Uint32(head[12:])), size)
}
