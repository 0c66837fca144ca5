// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"hids/modules/syscheckd/baseline"
	"hids/platform/fswalk"
)

type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return "scan " + strconv.Quote(e.path) + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// Run scans once and brings the baseline up to date. What it finds is told to
// events as it goes; the result is valid with an error too, as far as the scan
// came. Only one Run may use a baseline at a time.
//
// A first scan, or one that is the first to cover a root, makes the baseline
// and reports no changes there. When ctx ends, what was reported is kept and
// the rest stays as it was.
func Run(ctx context.Context, db *baseline.DB, o Options, events Events) (*Result, error) {
	start := time.Now()
	result := &Result{Changes: map[Action]int64{}, First: db.First()}
	defer func() { result.Elapsed = time.Since(start) }()
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	var scope []string
	all := roots(o.Rules)
	if len(o.Paths) > 0 {
		var err error
		if scope, err = scopes(o.Rules, o.Paths, o.Look); err != nil {
			return result, err
		}
		all = below(all, scope)
	}
	j, err := newJoiner(ctx, db, &o, &events, result, scope)
	if err != nil {
		return result, err
	}
	err = j.run(all)
	result.Bytes = o.Progress.Bytes.Load()
	if err != nil {
		return result, fmt.Errorf("scan: %w", err)
	}
	return result, nil
}

// below returns the scope, and of the roots those within it: they too are
// walked.
func below(roots, scope []string) []string {
	all := slices.Clone(scope)
	for _, r := range roots {
		if slices.ContainsFunc(scope, func(s string) bool { return r != s && fswalk.Within(r, s) }) {
			all = append(all, r)
		}
	}
	return all
}

func sorted(paths []string) []string {
	paths = slices.Clone(paths)
	slices.SortFunc(paths, fswalk.Compare)
	return slices.Compact(paths)
}

func newJoiner(ctx context.Context, db *baseline.DB, o *Options, events *Events, result *Result, scope []string) (*joiner, error) {
	from := []byte{}
	if len(scope) > 0 {
		from = baseline.AppendKey(nil, scope[0])
	}
	covered, err := newCoverage(db)
	if err != nil {
		return nil, err
	}
	cur, err := db.Cursor(from)
	if err != nil {
		return nil, err
	}
	return &joiner{
		ctx: ctx, db: db, o: o, events: events, result: result,
		scope: scope, cur: cur, moves: newMoves(filepath.Dir(db.Path())), batch: batchOps, covered: covered,
		pace: newRates(o.MaxFilesPS, o.MaxBytesPS),
	}, nil
}

func (j *joiner) run(roots []string) (err error) {
	defer func() {
		j.moves.close()
		err = errors.Join(err, j.cur.Close())
	}()
	chooser := newChooser(j.o.Rules, roots)
	configured := rootsOf(j.o.Rules)
	live := j.o.Live
	if live == nil {
		live = &Live{}
	}
	if chooser.enter = live.Enter; chooser.enter != nil {
		for _, r := range roots {
			if configured(r) || isDir(r) {
				chooser.entering(r)
			}
		}
	}
	walkErr := fswalk.Walk(j.ctx, fswalk.Options[finding]{
		Roots:       roots,
		Choose:      chooser.choose,
		Follow:      configured,
		Alias:       alias(j.o.Rules),
		Inspector:   func() fswalk.Inspector[finding] { return newInspector(j.o, j.pace) },
		Workers:     j.o.Workers,
		SkipNetwork: j.o.SkipNFS,
		Deadline:    j.o.Deadline,
		Wake:        live.Wake,
		Pause:       j.pause,
	}, j.item)
	if walkErr != nil {
		// What was told must not be told again.
		return errors.Join(walkErr, j.flush())
	}
	if err := j.finish(); err != nil {
		return err
	}
	return j.cover(roots)
}

// isDir reports whether p is a directory, and no link to one.
func isDir(p string) bool {
	info, err := os.Lstat(p)
	return err == nil && info.IsDir()
}

// cover records that the roots are in the baseline now, all but those that
// could not be looked at, and gives a first baseline its name.
func (j *joiner) cover(roots []string) error {
	if j.o.Look {
		return j.cur.Close()
	}
	fresh := slices.DeleteFunc(slices.Clone(roots), func(r string) bool {
		return j.covered.of(r) || slices.Contains(j.unknown, r)
	})
	if err := j.cur.Close(); err != nil {
		return err
	}
	if len(fresh) > 0 || j.result.Dropped > 0 {
		if err := j.db.Update(func(w *baseline.Writer) error { return j.writeCover(w, fresh) }); err != nil {
			return err
		}
	}
	return j.db.Publish()
}

func (j *joiner) writeCover(w *baseline.Writer, fresh []string) error {
	if len(j.scope) == 0 {
		if err := w.Uncover(func(p string) bool { return watched(j.o.Rules, p, true) }); err != nil {
			return err
		}
	}
	for _, r := range fresh {
		if err := w.Cover(r); err != nil {
			return err
		}
	}
	return nil
}

// coverage answers which paths a first scan has covered before this one.
type coverage struct {
	roots map[string]bool
	dir   string // the last directory asked about, and the answer
	ok    bool
}

func newCoverage(db *baseline.DB) (*coverage, error) {
	c := &coverage{roots: map[string]bool{}}
	covered, err := db.Covered()
	for _, r := range covered {
		c.roots[r] = true
	}
	return c, err
}

func (c *coverage) of(p string) bool {
	if dir := path.Dir(p); dir != c.dir {
		c.dir, c.ok = dir, c.climb(dir)
	}
	return c.ok || c.roots[p]
}

func (c *coverage) climb(p string) bool {
	for {
		if c.roots[p] {
			return true
		}
		up := path.Dir(p)
		if up == p {
			return false
		}
		p = up
	}
}
