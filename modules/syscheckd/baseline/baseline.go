// SPDX-License-Identifier: Apache-2.0

// Package baseline keeps what syscheckd knows of files, one database file in
// the order of a walk. For each path it holds what was last seen, and beside
// it, only where that differs, what was last accepted by an administrator. It
// knows records and paths; how a record is made, what counts as a difference
// and when to look is package scan's business.
//
// The file is written by one process at a time and is whole after a crash at
// any moment. It never shrinks while it is open; Open copies it when it is
// mostly free.
package baseline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"hids/platform/datasync"
	"hids/platform/lockfile"
)

// schema is the version of the buckets' layout. Records have their own.
const schema = 1

// The buckets.
const (
	bucketMeta     = "meta"     // "schema" → big-endian uint32
	bucketSeen     = "seen"     // key → record
	bucketAccepted = "accepted" // key → tag, then the accepted record or where it came from
	bucketMoves    = "moves"    // key of the old place → key of the new, for what is in accepted
	bucketRoots    = "roots"    // key → empty: a first scan of the path is finished
)

var buckets = [...]string{bucketMeta, bucketSeen, bucketAccepted, bucketMoves, bucketRoots}

// ErrBusy is in the chain of the error when another process has the baseline.
var ErrBusy = errors.New("another scan is running")

// ErrNone is in the chain of the error when there is no baseline to read.
var ErrNone = errors.New("there is no baseline yet: make it with 'hids syscheck --scan-now'")

// DB is an open baseline. Many goroutines may use it; the methods that write
// wait for each other.
type DB struct {
	path  string
	bolt  *bolt.DB
	lock  *lockfile.Lock // nil if opened to read only
	first bool           // no first scan was finished; the file has a temporary name
}

// readerPatience is how long to wait for a reader, who holds the file for
// moments only.
const readerPatience = 10 * time.Second

// Open opens the baseline to read and write, mode 0600 in a folder of mode
// 0700, and excludes other processes from it until Close. Without a finished
// first scan it is empty, and stays under a temporary name until Publish.
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open baseline: %w", err)
	}
	lock, err := lockfile.Open(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open baseline: %w", err)
	}
	if err := lock.Try(); err != nil {
		_ = lock.Close()
		return nil, busy(path, err)
	}
	db := &DB{path: path, lock: lock}
	if err := db.open(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open baseline: %w", err)
	}
	return db, nil
}

func (db *DB) open() error {
	// Who holds the lock is told to others through this file; the lock itself
	// is what excludes them.
	if err := os.WriteFile(db.path+".pid", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return err
	}
	// What a copy left that was cut off.
	if err := os.Remove(db.compactPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(db.path); errors.Is(err, fs.ErrNotExist) {
		return db.openFirst()
	} else if err != nil {
		return err
	}
	if err := db.reopen(); err != nil {
		return err
	}
	if err := db.compact(); err != nil {
		return errors.Join(err, db.bolt.Close())
	}
	return nil
}

func (db *DB) firstPath() string { return db.path + ".first" }

func (db *DB) compactPath() string { return db.path + ".compact" }

// openFirst starts over: what an unfinished first scan left is of no use,
// because nothing says how far it came.
func (db *DB) openFirst() error {
	if err := os.Remove(db.firstPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db.first = true
	var err error
	if db.bolt, err = openBolt(db.firstPath(), &bolt.Options{NoSync: true}); err != nil {
		return err
	}
	return db.bolt.Update(create)
}

func (db *DB) reopen() error {
	b, err := openBolt(db.path, &bolt.Options{Timeout: readerPatience})
	if err != nil {
		return err
	}
	if err := b.View(check); err != nil {
		return errors.Join(err, b.Close())
	}
	db.bolt, db.first = b, false
	return nil
}

// openBolt opens a database file and turns bbolt's panics on a damaged one into
// an error.
func openBolt(path string, o *bolt.Options) (b *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a cut file is a bus error
	defer func() {
		if r := recover(); r != nil {
			err = damaged(path, fmt.Errorf("%v", r))
		}
	}()
	o.FreelistType = bolt.FreelistMapType
	b, err = bolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, damaged(path, err)
	}
	return b, err
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged (%w): look into why, then move it away and scan again", path, err)
}

func create(tx *bolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte("schema"), binary.BigEndian.AppendUint32(nil, schema))
}

func check(tx *bolt.Tx) error {
	// Reading what a cut file lacks would be a bus error.
	if info, err := os.Stat(tx.DB().Path()); err != nil {
		return err
	} else if info.Size() < tx.Size() {
		return damaged(tx.DB().Path(), errors.New("cut short"))
	}
	for _, name := range buckets {
		if tx.Bucket([]byte(name)) == nil {
			return damaged(tx.DB().Path(), fmt.Errorf("no bucket %q", name))
		}
	}
	v := tx.Bucket([]byte(bucketMeta)).Get([]byte("schema"))
	if len(v) != 4 {
		return damaged(tx.DB().Path(), errors.New("no schema version"))
	}
	if n := binary.BigEndian.Uint32(v); n != schema {
		return fmt.Errorf("%s has schema %d, this program knows %d: use the program that wrote it", tx.DB().Path(), n, schema)
	}
	return nil
}

// OpenReadOnly opens the baseline to read. It fails with ErrBusy while a
// process has it open to write, and with ErrNone where there is none.
func OpenReadOnly(path string) (*DB, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open baseline %s: %w", path, ErrNone)
	}
	b, err := openBolt(path, &bolt.Options{ReadOnly: true, Timeout: time.Millisecond})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, busy(path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open baseline: %w", err)
	}
	if err := b.View(check); err != nil {
		return nil, errors.Join(fmt.Errorf("open baseline: %w", err), b.Close())
	}
	return &DB{path: path, bolt: b}, nil
}

// busy makes the error for a lock that is held.
func busy(path string, err error) error {
	if !errors.Is(err, lockfile.ErrLocked) && !errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("lock baseline: %w", err)
	}
	who := ""
	if b, err := os.ReadFile(path + ".pid"); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			who = fmt.Sprintf(" (pid %d)", pid)
		}
	}
	return fmt.Errorf("open baseline %s: %w%s: wait until it ends, or ask the daemon", path, ErrBusy, who)
}

// First reports whether no first scan was finished yet.
func (db *DB) First() bool { return db.first }

// Path returns where the baseline is.
func (db *DB) Path() string { return db.path }

// Publish makes the result of a first scan durable and gives the file its
// name. Afterwards each write is durable by itself.
func (db *DB) Publish() error {
	if !db.first {
		return nil
	}
	if err := db.replace(db.bolt, db.firstPath()); err != nil {
		return fmt.Errorf("publish baseline: %w", err)
	}
	return nil
}

// replace puts the open database at from into the place of the baseline and
// opens it there.
func (db *DB) replace(b *bolt.DB, from string) error {
	if err := errors.Join(b.Sync(), b.Close()); err != nil {
		return err
	}
	if err := os.Rename(from, db.path); err != nil {
		return err
	}
	if err := datasync.Dir(filepath.Dir(db.path)); err != nil {
		return err
	}
	return db.reopen()
}

// Close closes the baseline and lets others have it. What an unfinished first
// scan wrote is removed.
func (db *DB) Close() error {
	err := db.bolt.Close()
	if db.first {
		err = errors.Join(err, os.Remove(db.firstPath()))
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close baseline: %w", err)
	}
	return nil
}

// Check verifies the structure of the file, page by page.
func (db *DB) Check(ctx context.Context) error {
	return db.bolt.View(func(tx *bolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return errors.Join(first, ctx.Err())
	})
}
