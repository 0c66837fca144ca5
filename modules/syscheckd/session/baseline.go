// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"slices"

	"hids/config"
	"hids/modules/event"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/diff"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
)

// ErrUnknown is in the chain of the error for a path that is not in the
// baseline.
var ErrUnknown = errors.New("not in the baseline")

// Differing calls each with what differs from the accepted state at and below
// the paths, or everywhere, in the order of the walk.
func (s *Session) Differing(paths []string, each func(*scan.Change, report.Inside) error) error {
	for e, err := range s.db.Differences(outermost(paths)...) {
		if err != nil {
			return err
		}
		c := s.changeOf(e)
		if err := each(c, s.inside(c, diff.SinceAccepted)); err != nil {
			return err
		}
	}
	return nil
}

// changeOf tells the difference between what was accepted and what was seen.
func (s *Session) changeOf(e baseline.Entry) *scan.Change {
	c := &scan.Change{Path: e.Path, Old: e.Accepted, New: e.Seen, Entry: s.entry(e)}
	switch {
	case e.From != "":
		c.Action, c.From, c.Old = scan.Moved, e.From, e.Before
	case e.Accepted == nil:
		c.Action = scan.Created
	case e.Seen == nil:
		c.Action = scan.Deleted
	default:
		c.Action = scan.AttributesModified
	}
	if c.Old == nil || c.New == nil {
		return c
	}
	checks := config.CheckAll
	if c.Entry != nil {
		checks = c.Entry.Checks
	}
	c.Fields = record.Diff(c.Old, c.New, checks)
	if c.Action == scan.AttributesModified && slices.ContainsFunc(c.Fields, record.Field.Content) {
		c.Action = scan.Updated
	}
	return c
}

func (s *Session) entry(e baseline.Entry) *config.Directory {
	find := s.rules.For
	if r := e.Seen; r != nil && r.Type == record.Dir {
		find = s.rules.ForDir
	}
	if d, ok := find(e.Path); ok {
		return &d
	}
	return nil
}

// Accept takes what was last seen at and below the paths, or everywhere, as it
// should be, and returns how many differences there were.
func (s *Session) Accept(paths []string) (int64, error) {
	paths = outermost(paths)
	n, err := s.db.Accept(paths...)
	if err != nil {
		return int64(n), fmt.Errorf("accept: %w", err)
	}
	return int64(n), s.diffs.AcceptWhere(func(path string) bool {
		return len(paths) == 0 || slices.ContainsFunc(paths, func(root string) bool { return below(path, root) })
	})
}

// Entry is what the baseline knows of one path.
type Entry struct {
	Path           string         // raw
	Seen, Accepted *record.Record // nil: not there
	Change         *scan.Change   // nil: what was seen is accepted
	Inside         report.Inside
}

// Lookup returns what is known of one path; the error has ErrUnknown in its
// chain if that is nothing.
func (s *Session) Lookup(path string) (Entry, error) {
	e, ok, err := s.db.Lookup(path)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, fmt.Errorf("%s is %w", event.SafeText(path), ErrUnknown)
	}
	out := Entry{Path: path, Seen: e.Seen, Accepted: e.Accepted}
	if e.Differs {
		out.Change = s.changeOf(e)
		out.Inside = s.inside(out.Change, diff.SinceAccepted)
	}
	return out, nil
}

// Each calls each with what was last seen at and below the paths, or
// everywhere, in the order of the walk.
func (s *Session) Each(paths []string, each func(path string, r *record.Record) error) error {
	for e, err := range s.db.All(outermost(paths)...) {
		if err != nil {
			return err
		}
		if err := each(e.Path, e.Seen); err != nil {
			return err
		}
	}
	return nil
}
