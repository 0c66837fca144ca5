// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"hids/platform/mapping"
)

// Cursor reads what was seen, in order. It must be closed before anything is
// written by the same goroutine, and may be opened again where it was. It
// belongs to one goroutine.
type Cursor struct {
	db   *DB
	tx   *bolt.Tx
	c    *bolt.Cursor
	key  []byte // valid while open
	val  []byte
	kept []byte // the key to go on with, while closed
	read int    // since memory was given back
}

// forgetEvery is after how many entries the memory that reading has faulted in
// is given back: some megabytes.
const forgetEvery = 16 << 10

// Cursor returns a cursor at the first key that is not before from.
func (db *DB) Cursor(from []byte) (*Cursor, error) {
	c := &Cursor{db: db, kept: from}
	return c, c.Open()
}

// Open goes on where Close was called.
func (c *Cursor) Open() error {
	tx, err := c.db.bolt.Begin(false)
	if err != nil {
		return err
	}
	c.tx, c.c = tx, viewOf(tx).seen.Cursor()
	if c.kept == nil {
		c.key, c.val = nil, nil
		return nil
	}
	c.key, c.val = c.c.Seek(c.kept)
	return nil
}

// Close ends the transaction.
func (c *Cursor) Close() error {
	if c.tx == nil {
		return nil
	}
	c.kept = bytes.Clone(c.key)
	c.forget()
	err := c.tx.Rollback()
	c.tx, c.c, c.key, c.val = nil, nil, nil, nil
	return err
}

// Key returns the current key, nil at the end. It is valid until the cursor
// moves or closes.
func (c *Cursor) Key() []byte { return c.key }

// Value returns the encoded record of the current key, valid as long as Key.
func (c *Cursor) Value() []byte { return c.val }

// Next moves to the next key.
func (c *Cursor) Next() {
	c.key, c.val = c.c.Next()
	if c.read++; c.read >= forgetEvery {
		c.forget()
	}
}

// forget gives back the memory that reading, and writing since the cursor was
// opened last, have faulted in. While the transaction is open the mapping stays
// where it is.
func (c *Cursor) forget() {
	c.read = 0
	c.db.forgetIn(c.tx)
}

// forget gives back the memory that reading has faulted in. Where the database is
// closed there is none.
func (db *DB) forget() {
	_ = db.bolt.View(func(tx *bolt.Tx) error {
		db.forgetIn(tx)
		return nil
	})
}

// forgetIn is forget within a transaction.
func (db *DB) forgetIn(tx *bolt.Tx) {
	if info := db.bolt.Info(); info != nil {
		mapping.Forget(info.Data, tx.Size())
	}
}

// SkipTo moves to the first key that is not before k.
func (c *Cursor) SkipTo(k []byte) { c.key, c.val = c.c.Seek(k) }

// SkipBelow moves behind path and all that is below it.
func (c *Cursor) SkipBelow(path string) { c.SkipTo(keyEnd(path)) }
