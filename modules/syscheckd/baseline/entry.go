// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"

	"hids/modules/syscheckd/record"
)

// Entry is what the baseline knows of one path.
type Entry struct {
	Path string         // raw bytes of the names
	Seen *record.Record // as last seen; nil: it was gone
	// Accepted is what an administrator accepted last: Seen, unless Differs.
	// nil: the path was new and is not accepted yet.
	Accepted *record.Record
	Differs  bool
	// From is where the file was moved from, if it Differs because it was moved
	// here and the move is not accepted yet. Then Accepted is nil, and Before
	// is what was accepted at From.
	From   string
	Before *record.Record
}

// The first byte of a value in bucketAccepted.
const (
	tagAbsent = 0 // not there; the key of where it was moved from may follow
	tagRecord = 1 // the record follows
)

// view is the buckets of one transaction.
type view struct{ seen, accepted, moves, roots *bolt.Bucket }

func viewOf(tx *bolt.Tx) view {
	b := func(name string) *bolt.Bucket { return tx.Bucket([]byte(name)) }
	return view{b(bucketSeen), b(bucketAccepted), b(bucketMoves), b(bucketRoots)}
}

func decode(k, v []byte) (*record.Record, error) {
	if v == nil {
		return nil, nil
	}
	r, err := record.Decode(v)
	if err != nil {
		return nil, fmt.Errorf("read baseline: %q: %w", PathOf(k), err)
	}
	return r, nil
}

// entry puts together what is known of k. seen and accepted are the values of
// the two buckets; nil where there is none.
func (v view) entry(k, seen, accepted []byte) (e Entry, err error) {
	e.Path = PathOf(k)
	if e.Seen, err = decode(k, seen); err != nil {
		return e, err
	}
	e.Accepted, e.Differs = e.Seen, accepted != nil
	if len(accepted) == 0 {
		return e, nil
	}
	if accepted[0] == tagRecord {
		e.Accepted, err = decode(k, accepted[1:])
		return e, err
	}
	e.Accepted = nil
	if from := accepted[1:]; len(from) > 0 && v.leads(from, k) {
		e.From = PathOf(from)
		e.Before, err = decode(from, v.accepted.Get(from)[1:])
	}
	return e, err
}

// leads reports whether the file at from is still on record as moved to k.
func (v view) leads(from, k []byte) bool {
	was := v.accepted.Get(from)
	return len(was) > 0 && was[0] == tagRecord && v.seen.Get(from) == nil &&
		v.seen.Get(k) != nil && string(v.moves.Get(from)) == string(k)
}

// movedAway reports whether k is told at the place it was moved to.
func (v view) movedAway(k []byte) bool {
	to := v.moves.Get(k)
	if to == nil {
		return false
	}
	there := v.accepted.Get(to)
	return len(there) > 0 && there[0] == tagAbsent && string(there[1:]) == string(k) && v.leads(k, to)
}

// Lookup returns what is known of one path; ok is false if that is nothing.
func (db *DB) Lookup(path string) (e Entry, ok bool, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		v, k := viewOf(tx), key(path)
		seen, accepted := v.seen.Get(k), v.accepted.Get(k)
		ok = seen != nil || accepted != nil
		e, err = v.entry(k, seen, accepted)
		return err
	})
	return e, ok, err
}

// pageSize is how many entries are read in one transaction: a slow reader must
// not keep a writer from its file.
const pageSize = 512

// All returns every entry at or below one of the paths, sorted, or all there
// are. No path may be below another.
func (db *DB) All(paths ...string) iter.Seq2[Entry, error] {
	return db.pages(paths, func(v view) *bolt.Bucket { return v.seen },
		func(v view, k, seen []byte) (Entry, bool, error) {
			e, err := v.entry(k, seen, v.accepted.Get(k))
			return e, true, err
		})
}

// Differences returns the entries at or below one of the paths, or all there
// are, for which Seen is not what was accepted, sorted. A file that was moved
// is told once, at its new place. No path may be below another.
func (db *DB) Differences(paths ...string) iter.Seq2[Entry, error] {
	return db.pages(paths, func(v view) *bolt.Bucket { return v.accepted },
		func(v view, k, accepted []byte) (Entry, bool, error) {
			if v.movedAway(k) {
				return Entry{}, false, nil
			}
			e, err := v.entry(k, v.seen.Get(k), accepted)
			return e, true, err
		})
}

// reader makes an entry of a key and value; ok is false to pass it over.
type reader func(v view, k, value []byte) (e Entry, ok bool, err error)

// pages reads ranges of a bucket a page at a time, and yields between the
// transactions, so that the receiver may write.
func (db *DB) pages(paths []string, bucket func(view) *bolt.Bucket, read reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		defer db.forget()
		for n, r := range ranges(paths) {
			for ; r.from != nil; n++ {
				if n%(forgetEvery/pageSize) == 0 {
					db.forget()
				}
				page, err := db.page(&r, bucket, read)
				for _, e := range page {
					if !yield(e, nil) {
						return
					}
				}
				if err != nil {
					yield(Entry{}, err)
					return
				}
			}
		}
	}
}

// span is a range of keys; a nil end is the end of all.
type span struct{ from, end []byte }

func ranges(paths []string) []span {
	if len(paths) == 0 {
		return []span{{from: []byte{}}}
	}
	var spans []span
	for _, p := range paths {
		spans = append(spans, span{key(p), keyEnd(p)})
	}
	return spans
}

// page reads one page of r and moves r.from behind it; nil once all is read.
func (db *DB) page(r *span, bucket func(view) *bolt.Bucket, read reader) (page []Entry, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		v := viewOf(tx)
		c := bucket(v).Cursor()
		k, value := c.Seek(r.from)
		for n := 0; k != nil && within(k, r); k, value = c.Next() {
			if n++; n > pageSize {
				r.from = bytes.Clone(k)
				return nil
			}
			e, ok, err := read(v, k, value)
			if err != nil {
				return err
			}
			if ok {
				page = append(page, e)
			}
		}
		r.from = nil
		return nil
	})
	return page, err
}

// within reports whether k, which is not before r, is in it. The keys that sort
// between a path and what is below it do not exist: NUL is the lowest byte.
func within(k []byte, r *span) bool { return r.end == nil || bytes.Compare(k, r.end) < 0 }
