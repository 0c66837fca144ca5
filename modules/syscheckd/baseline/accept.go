// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// acceptBatch is how many paths are accepted in one transaction.
const acceptBatch = 4096

// Accept takes what was last seen at and below the paths, or everywhere if none
// are given, as right. A move is accepted as a whole if either of its ends is.
// It returns how many differences there were; after an error, some may be
// accepted and others not, each wholly.
func (db *DB) Accept(paths ...string) (int, error) {
	n := 0
	for _, r := range ranges(paths) {
		for {
			took, err := db.acceptSome(&r)
			n += took
			if err != nil || took == 0 {
				if err != nil {
					return n, err
				}
				break
			}
		}
	}
	return n, nil
}

// acceptSome accepts the first differences of r; they are gone from it then.
func (db *DB) acceptSome(r *span) (n int, err error) {
	var keys [][]byte
	err = db.bolt.View(func(tx *bolt.Tx) error {
		c := viewOf(tx).accepted.Cursor()
		for k, _ := c.Seek(r.from); k != nil && within(k, r) && len(keys) < acceptBatch; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	err = db.Update(func(w *Writer) error {
		for _, k := range keys {
			took, err := w.accept(k)
			if err != nil {
				return err
			}
			n += took
		}
		return nil
	})
	return n, err
}

// accept takes one path as it was seen, and the other end of its move with it.
func (w *Writer) accept(k []byte) (int, error) {
	was := w.accepted.Get(k)
	if was == nil {
		return 0, nil // the other end of a move that was just accepted
	}
	other := bytes.Clone(w.moves.Get(k))
	switch {
	case was[0] == tagAbsent && len(was) > 1 && w.leads(was[1:], k):
		other = bytes.Clone(was[1:])
	case was[0] == tagRecord && !w.movedAway(k):
		other = nil
	}
	if err := firstError(w.accepted.Delete(k), w.moves.Delete(k)); err != nil || other == nil {
		return 1, err
	}
	return 1, firstError(w.accepted.Delete(other), w.moves.Delete(other))
}
