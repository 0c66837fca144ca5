// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"hids/config"
	"hids/modules/syscheckd/record"
)

// Writer changes the baseline within one transaction.
type Writer struct {
	view
	scratch []byte
}

// Update runs f in one transaction, which is durable when Update returns nil,
// and without effect otherwise. It must not be called from within an iterator's
// transaction or another Update.
func (db *DB) Update(f func(*Writer) error) error {
	err := db.bolt.Update(func(tx *bolt.Tx) error {
		w := &Writer{view: viewOf(tx)}
		if db.first {
			w.seen.FillPercent = 0.9 // keys come in order and stay
		}
		return f(w)
	})
	if err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	return nil
}

// Seed records what was seen of path and takes it as accepted.
func (w *Writer) Seed(path string, encoded []byte) error { return w.put(path, encoded) }

// Refresh records what was seen of path where nothing that is watched differs
// from what was seen before.
func (w *Writer) Refresh(path string, encoded []byte) error { return w.put(path, encoded) }

// put lets the key be written over: bbolt has its own copy. It keeps the value.
func (w *Writer) put(path string, encoded []byte) error {
	w.scratch = AppendKey(w.scratch[:0], path)
	return w.seen.Put(w.scratch, encoded)
}

// Drop forgets path, without regard to what was accepted: it is no longer
// watched.
func (w *Writer) Drop(path string) error {
	k := key(path)
	return firstError(w.seen.Delete(k), w.accepted.Delete(k), w.moves.Delete(k))
}

// Create records that path has appeared.
func (w *Writer) Create(path string, now *record.Record, checks config.Check) error {
	return w.create(key(path), nil, now, checks)
}

func (w *Writer) create(k, from []byte, now *record.Record, checks config.Check) error {
	was := w.accepted.Get(k)
	if was == nil {
		was = append([]byte{tagAbsent}, from...)
		if err := w.accepted.Put(k, was); err != nil {
			return err
		}
	}
	if err := w.settle(k, was, now, checks); err != nil {
		return err
	}
	return w.seen.Put(k, now.Append(nil))
}

// Change records that path differs in something that is watched from old, which
// was seen before.
func (w *Writer) Change(path string, old, now *record.Record, checks config.Check) error {
	k := key(path)
	was := w.accepted.Get(k)
	if was == nil {
		was = old.Append([]byte{tagRecord})
		if err := w.accepted.Put(k, was); err != nil {
			return err
		}
	}
	if err := w.settle(k, was, now, checks); err != nil {
		return err
	}
	return w.seen.Put(k, now.Append(nil))
}

// settle removes the accepted state where the file is as it was accepted again.
func (w *Writer) settle(k, was []byte, now *record.Record, checks config.Check) error {
	if len(was) == 0 || was[0] != tagRecord {
		return nil
	}
	accepted, err := decode(k, was[1:])
	if err != nil {
		return err
	}
	if len(record.Diff(accepted, now, checks)) > 0 {
		return nil
	}
	return firstError(w.accepted.Delete(k), w.moves.Delete(k))
}

// Delete records that path, last seen as old, is gone.
func (w *Writer) Delete(path string, old *record.Record) error {
	_, err := w.remove(key(path), old)
	return err
}

// remove is Delete; it returns the key under which the file was accepted, nil
// if it never was.
func (w *Writer) remove(k []byte, old *record.Record) (origin []byte, err error) {
	was := w.accepted.Get(k)
	switch {
	case was == nil:
		origin, err = k, w.accepted.Put(k, old.Append([]byte{tagRecord}))
	case was[0] == tagAbsent:
		origin = bytes.Clone(was[1:])
		err = w.accepted.Delete(k)
	default:
		origin = k
	}
	if len(origin) == 0 {
		origin = nil
	}
	return origin, firstError(err, w.seen.Delete(k))
}

// Move records that the file at from, last seen as old, is now at to. Several
// moves before they are accepted are one.
func (w *Writer) Move(from, to string, old, now *record.Record, checks config.Check) error {
	origin, err := w.remove(key(from), old)
	if err != nil {
		return err
	}
	k := key(to)
	if bytes.Equal(origin, k) {
		origin = nil // back where it came from
	}
	if origin != nil {
		if err := w.moves.Put(origin, k); err != nil {
			return err
		}
	}
	return w.create(k, origin, now, checks)
}

// Covered returns the paths of which a first scan was finished.
func (db *DB) Covered() (paths []string, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		return viewOf(tx).roots.ForEach(func(k, _ []byte) error {
			paths = append(paths, PathOf(k))
			return nil
		})
	})
	return paths, err
}

// Cover records that a first scan of path is finished: from now on what appears
// there is a change.
func (w *Writer) Cover(path string) error { return w.roots.Put(key(path), []byte{}) }

// Uncover forgets which first scans were finished, but for the paths that keep
// reports true for: what is no longer watched begins anew if it ever is again.
func (w *Writer) Uncover(keep func(path string) bool) error {
	var gone [][]byte
	c := w.roots.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if !keep(PathOf(k)) {
			gone = append(gone, bytes.Clone(k))
		}
	}
	for _, k := range gone {
		if err := w.roots.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
