// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"hids/config"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

// batchOps is how many changes of the baseline go into one transaction.
const batchOps = 2048

// joiner merges the walk with the baseline. It is the one goroutine of a scan
// that reports, and that touches the baseline.
type joiner struct {
	ctx     context.Context // that of one Run
	db      *baseline.DB
	o       *Options
	events  *Events
	result  *Result
	scope   []string // empty: everything
	cur     *baseline.Cursor
	ops     []op
	batch   int // how many ops make a transaction
	moves   *moves
	key     []byte
	covered *coverage
	looked  looked
	pace    pacer
	unknown []string // what could not be looked at
	aliases []string // links that are not followed: what is below them is not watched
}

// op is one change of the baseline that was reported and waits to be written.
type op struct {
	kind     opKind
	path     string
	from     string
	encoded  []byte // seed and refresh
	old, now *record.Record
	checks   config.Check
}

type opKind uint8

const (
	opSeed opKind = iota
	opRefresh
	opDrop
	opCreate
	opChange
	opDelete
	opMove
)

// item takes one step of the walk.
func (j *joiner) item(it *fswalk.Item[finding]) error {
	j.key = baseline.AppendKey(j.key[:0], it.Path)
	if it.Event == fswalk.Fault {
		return j.fault(it.Path, it.Err, false)
	}
	if err := j.upTo(j.key); err != nil {
		return err
	}
	switch it.Event {
	case fswalk.Unknown, fswalk.Skipped:
		j.cur.SkipBelow(it.Path)
		if it.Event == fswalk.Skipped {
			return nil
		}
		j.unknown = append(j.unknown, it.Path)
		j.result.Unread++
		return j.fault(it.Path, it.Err, true)
	case fswalk.Alias:
		j.aliases = append(j.aliases, it.Path)
		return nil
	}
	return j.found(it)
}

func (j *joiner) found(it *fswalk.Item[finding]) error {
	f := &it.Value
	if j.looked.covers(it.Path) {
		j.passOver(it.Path)
		return nil
	}
	if slices.Contains(j.scope, it.Path) && !watched(j.o.Rules, it.Path, it.Kind == fsstat.Dir) {
		return nil // asked for by name, but left out by restrict
	}
	j.count(it.Path)
	if f.err != nil {
		j.result.Unread++
		if err := j.fault(it.Path, f.err, f.encoded == nil); err != nil {
			return err
		}
	}
	known := bytes.Equal(j.cur.Key(), j.key)
	switch {
	case f.encoded == nil && f.err == nil:
		return nil // gone: the next step of the walk finds it so
	case f.encoded == nil:
		j.unknown = append(j.unknown, it.Path)
		j.cur.SkipBelow(it.Path)
		return nil
	case !known:
		return j.appeared(it.Path, f.encoded)
	case bytes.Equal(j.cur.Value(), f.encoded):
		j.cur.Next()
		return nil
	}
	err := j.differs(it.Path, f.encoded)
	if err == nil {
		j.cur.Next()
		err = j.flushFull()
	}
	return err
}

func (j *joiner) count(path string) {
	j.result.Files++
	if p := j.o.Progress; p != nil && j.result.Files%64 == 1 {
		now := path // its own variable, so that only one in 64 is on the heap
		p.path.Store(&now)
	}
}

// upTo deals with what the baseline has and the walk has not, before key or, if
// that is nil, to the end.
func (j *joiner) upTo(key []byte) error {
	for k := j.cur.Key(); k != nil && (key == nil || bytes.Compare(k, key) < 0); k = j.cur.Key() {
		path := baseline.PathOf(k)
		if next, in := j.inScope(path); !in {
			if next == "" {
				return nil
			}
			j.cur.SkipTo(baseline.AppendKey(nil, next))
			continue
		}
		encoded := bytes.Clone(j.cur.Value())
		j.cur.Next() // before anything is written: the key may be gone then
		if err := j.vanished(path, encoded); err != nil {
			return err
		}
		if err := j.flushFull(); err != nil {
			return err
		}
	}
	return nil
}

// inScope reports whether path is among what is scanned, and if not, the first
// path behind it that is, or "".
func (j *joiner) inScope(path string) (next string, in bool) {
	if len(j.scope) == 0 {
		return "", true
	}
	for _, s := range j.scope {
		if fswalk.Within(path, s) {
			return "", true
		}
		if fswalk.Compare(path, s) < 0 {
			return s, false
		}
	}
	return "", false
}

// finish deals with what is left of the baseline once the walk has ended.
func (j *joiner) finish() error {
	if err := j.upTo(nil); err != nil {
		return err
	}
	if err := j.resolveMoves(); err != nil {
		return err
	}
	return j.flush()
}

// vanished deals with a path that the walk did not come to.
func (j *joiner) vanished(path string, encoded []byte) error {
	if j.looked.covers(path) {
		return nil
	}
	old, err := record.Decode(encoded)
	if err != nil {
		return fmt.Errorf("read baseline: %q: %w", path, err)
	}
	if !watched(j.o.Rules, path, old.Type == record.Dir) || j.aliased(path) {
		j.result.Dropped++
		j.ops = append(j.ops, op{kind: opDrop, path: path})
		return nil
	}
	return j.moves.deleted(path, encoded, old)
}

func (j *joiner) aliased(path string) bool {
	return slices.ContainsFunc(j.aliases, func(a string) bool { return a != path && fswalk.Within(path, a) })
}

// appeared deals with a path that the baseline does not have.
func (j *joiner) appeared(path string, encoded []byte) error {
	if !j.covered.of(path) {
		return j.seed(path, encoded)
	}
	return j.moves.created(path, encoded)
}

func (j *joiner) seed(path string, encoded []byte) error {
	j.result.Seeded++
	if j.events.Seeded != nil {
		r, err := record.Decode(encoded)
		if err != nil {
			return err
		}
		if err := j.events.Seeded(path, r, j.entry(path, r)); err != nil {
			return err
		}
	}
	j.ops = append(j.ops, op{kind: opSeed, path: path, encoded: encoded})
	return j.flushFull()
}

// differs deals with a path that both have, and whose records are not equal.
func (j *joiner) differs(path string, encoded []byte) error {
	old, err := record.Decode(j.cur.Value())
	if err != nil {
		return fmt.Errorf("read baseline: %q: %w", path, err)
	}
	now, err := record.Decode(encoded)
	if err != nil {
		return err
	}
	if now.Marks&record.MarkUnread != 0 {
		now.Inherit(old)
		if encoded = now.Append(encoded[:0]); bytes.Equal(encoded, j.cur.Value()) {
			return nil
		}
	}
	j.named(path, old, now)
	entry := j.entry(path, now)
	fields := record.Diff(old, now, entry.Checks)
	if len(fields) == 0 {
		j.ops = append(j.ops, op{kind: opRefresh, path: path, encoded: bytes.Clone(encoded)}) // few, and long kept
		return nil
	}
	c := &Change{Action: actionOf(fields), Path: path, Old: old, New: now, Fields: fields, Entry: entry}
	return j.report(c, op{kind: opChange, path: path, old: old, now: now, checks: entry.Checks})
}

// named tells of a file that has, or had, more names than this one. Either
// record may be nil.
func (j *joiner) named(path string, old, now *record.Record) {
	if j.o.Live == nil || j.o.Live.Names == nil {
		return
	}
	several := func(r *record.Record) bool { return r != nil && r.Type != record.Dir && r.Links > 1 }
	if several(old) && (now == nil || !record.SameInode(old, now)) {
		j.o.Live.Names(path, old, true)
	}
	if several(now) {
		j.o.Live.Names(path, now, false)
	}
}

func actionOf(fields []record.Field) Action {
	if slices.ContainsFunc(fields, record.Field.Content) {
		return Updated
	}
	return AttributesModified
}

// entry returns what watches path.
func (j *joiner) entry(path string, r *record.Record) *config.Directory {
	d, ok := j.o.Rules.For(path)
	if r.Type == record.Dir {
		d, ok = j.o.Rules.ForDir(path)
	}
	if !ok {
		return &config.Directory{}
	}
	return &d
}

func (j *joiner) report(c *Change, o op) error {
	if err := j.events.Change(c); errors.Is(err, ErrLater) {
		return nil
	} else if err != nil {
		return err
	}
	j.result.Changes[c.Action]++
	j.ops = append(j.ops, o)
	return nil
}

// resolveMoves reports what was created, deleted or moved, in order.
func (j *joiner) resolveMoves() error {
	if err := j.moves.pair(); err != nil {
		return err
	}
	for out, err := range j.moves.outcomes() {
		if err == nil {
			err = j.resolve(&out)
		}
		if err == nil {
			err = j.flushFull()
		}
		if err != nil {
			return err
		}
	}
	j.moves.close()
	j.moves = newMoves(j.moves.gone.dir)
	return nil
}

func (j *joiner) resolve(n *outcome) error {
	r, err := record.Decode(n.encoded)
	if err != nil {
		return err
	}
	entry := j.entry(n.path, r)
	switch {
	case n.from.path != "":
		old, err := record.Decode(n.from.encoded)
		if err != nil {
			return err
		}
		j.named(n.from.path, old, nil)
		j.named(n.path, nil, r)
		return j.report(
			&Change{Action: Moved, Path: n.path, From: n.from.path, Old: old, New: r, Fields: record.Diff(old, r, entry.Checks), Entry: entry},
			op{kind: opMove, path: n.path, from: n.from.path, old: old, now: r, checks: entry.Checks})
	case n.created:
		j.named(n.path, nil, r)
		return j.report(&Change{Action: Created, Path: n.path, New: r, Entry: entry},
			op{kind: opCreate, path: n.path, now: r, checks: entry.Checks})
	}
	j.named(n.path, r, nil)
	return j.report(&Change{Action: Deleted, Path: n.path, Old: r, Entry: entry},
		op{kind: opDelete, path: n.path, old: r})
}

func (j *joiner) fault(path string, err error, unknown bool) error {
	j.result.Faults++
	if j.events.Fault == nil {
		return nil
	}
	return j.events.Fault(Fault{Path: path, Err: err, Unknown: unknown})
}

func (j *joiner) flushFull() error {
	if len(j.ops) < j.batch {
		return nil
	}
	return j.flush()
}

// flush writes what was reported. The cursor must not be open meanwhile: the
// file may have to be mapped anew.
func (j *joiner) flush() error {
	if len(j.ops) == 0 {
		return nil
	}
	if j.events.Store != nil {
		if err := j.events.Store(); err != nil {
			return err
		}
	}
	if err := j.cur.Close(); err != nil {
		return err
	}
	err := j.db.Update(func(w *baseline.Writer) error {
		for i := range j.ops {
			if err := j.ops[i].apply(w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	clear(j.ops)
	j.ops = j.ops[:0]
	return j.cur.Open()
}

func (o *op) apply(w *baseline.Writer) error {
	switch o.kind {
	case opSeed:
		return w.Seed(o.path, o.encoded)
	case opRefresh:
		return w.Refresh(o.path, o.encoded)
	case opDrop:
		return w.Drop(o.path)
	case opCreate:
		return w.Create(o.path, o.now, o.checks)
	case opChange:
		return w.Change(o.path, o.old, o.now, o.checks)
	case opDelete:
		return w.Delete(o.path, o.old)
	default:
		return w.Move(o.from, o.path, o.old, o.now, o.checks)
	}
}
