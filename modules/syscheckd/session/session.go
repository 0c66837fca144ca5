// SPDX-License-Identifier: Apache-2.0

// Package session is work on the baseline: a scan, what differs from the
// accepted state, accepting it, reading the baseline. It puts the parts together
// (rules, baseline, scan, diff, report) and decides nothing that they decide. An
// operator's command is one session, and so is the life of the daemon. It does
// not print, wait or send.
package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hids/config"
	"hids/config/rules"
	"hids/modules/event"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/diff"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/platform/paths"
)

// Access is what a session may do with the baseline.
type Access int

// The two kinds of access.
const (
	Read  Access = iota // several at once; only what is there
	Write               // one at a time; makes a baseline if there is none
)

// Options open a session.
type Options struct {
	Layout paths.Layout
	Config *config.Config
	Names  report.Names
	Host   string // name of this machine
	Access Access
	Events event.Sink // takes what a scan finds; may be nil
}

// Session is an open baseline with the rules that say what is watched. What
// changes the baseline (Scan, Accept) is for one goroutine; others may read
// beside it.
type Session struct {
	opts   Options
	rules  *rules.Rules
	faults config.Faults // globs that match nothing
	db     *baseline.DB
	diffs  *diff.Store

	mu        sync.Mutex // guards what follows
	notCopied int64
	copyErr   scan.Fault // the last of them
}

// Open opens the baseline of an installation. The error has baseline.ErrBusy in
// its chain when another process has it, baseline.ErrNone when there is none to
// read.
func Open(o Options) (*Session, error) {
	expanded, faults := rules.Expand(&o.Config.Syscheck, filepath.Glob)
	s := &Session{opts: o, rules: rules.New(expanded), faults: faults}
	open := baseline.OpenReadOnly
	if o.Access == Write {
		open = baseline.Open
	}
	db, err := open(o.Layout.Baseline())
	if err != nil {
		return nil, err
	}
	s.db = db
	// Under the lock of the baseline nobody else has the copies open to write.
	s.diffs, err = diff.Open(filepath.Join(o.Layout.State("syscheckd"), "diff"), o.Config.Syscheck.DiffQuota)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close releases the baseline.
func (s *Session) Close() error { return errors.Join(s.diffs.Close(), s.db.Close()) }

// Where is the file that holds the baseline.
func (s *Session) Where() string { return s.db.Path() }

// Names looks up owners.
func (s *Session) Names() report.Names { return s.opts.Names }

// Warnings are faults of the configuration that only show on this machine:
// globs that match nothing.
func (s *Session) Warnings() config.Faults { return s.faults }

// Maker makes events of changes.
func (s *Session) Maker(trigger string) *report.Maker {
	return &report.Maker{Host: s.opts.Host, Trigger: trigger, Now: time.Now, Names: s.opts.Names}
}

// Scan says what to scan and who is told.
type Scan struct {
	Paths    []string // absolute and clean; empty: all that is watched
	Trigger  string   // of the events
	Progress *scan.Progress
	Fault    func(scan.Fault) // may be nil

	// What follows is for the daemon; all of it may be left out.
	Live           *scan.Live
	Look           bool // see scan.Options
	HashLinkTarget bool // see scan.Options
	// Tell is told of a change before Events is; scan.ErrLater puts it off. diff
	// makes OSSEC's text of what changed inside, "" if nothing is to be told.
	Tell   func(c *scan.Change, diff func(fields int) string) error
	Seeded func(path string, r *record.Record, entry *config.Directory) error
	Store  func() error // see scan.Events
}

// Scan makes one scan. What it finds is stored as seen; Differing tells it,
// together with what waits to be accepted from earlier scans. When ctx ends it
// stops with ctx's error, and what was not stored is found again by the next.
func (s *Session) Scan(ctx context.Context, o Scan) (*scan.Result, error) {
	run := &run{Session: s, o: o, maker: s.Maker(o.Trigger), ctx: ctx}
	result, err := scan.Run(ctx, s.db, s.options(o), scan.Events{
		Change: run.change, Fault: run.fault, Seeded: o.Seeded, Store: o.Store,
	})
	if err != nil {
		return nil, err
	}
	if err := s.settle(len(o.Paths) == 0, run); err != nil {
		return nil, err
	}
	if len(o.Paths) == 0 {
		if err := writeLastScan(s.opts.Layout, result); err != nil {
			run.extra(scan.Fault{Path: lastScanFile(s.opts.Layout), Err: err})
		}
	}
	result.Faults += run.own
	return result, nil
}

func (s *Session) options(o Scan) scan.Options {
	c := &s.opts.Config.Syscheck
	options := scan.Options{
		Rules: s.rules, Paths: outermost(o.Paths), SkipNFS: c.SkipNFS,
		MaxFileSize: c.MaxFileSize, Prefilter: c.PrefilterCmd,
		Progress: o.Progress, Content: s.content,
		Live: o.Live, Look: o.Look, HashLinkTarget: o.HashLinkTarget,
	}
	if !o.Look {
		options.MaxFilesPS, options.MaxBytesPS = c.MaxFilesPS, c.MaxBytesPS
	}
	return options
}

// First reports whether no first scan was finished yet. Until then only who
// scans may read the baseline.
func (s *Session) First() bool { return s.db.First() }

// Rules says what is watched.
func (s *Session) Rules() *rules.Rules { return s.rules }

// Folders calls enter for each watched folder, without looking at files.
func (s *Session) Folders(ctx context.Context, enter func(dir string, entry *config.Directory)) error {
	return scan.Folders(ctx, s.options(Scan{Live: &scan.Live{Enter: enter}}))
}

// content asks for the text of files whose changes are to be shown. It is
// called by many goroutines. What nodiff names is never copied.
func (s *Session) content(path string, entry *config.Directory) scan.Content {
	if !s.wantsCopy(path, entry) {
		return nil
	}
	return &copying{s.diffs.Capture(path, s.sizeLimit(entry)), path, s}
}

// copying is a capture that leaves its errors to the session.
type copying struct {
	*diff.Capture
	path string
	s    *Session
}

// Done implements scan.Content.
func (c *copying) Done() {
	err := c.Capture.Done()
	if err == nil {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.notCopied++
	c.s.copyErr = scan.Fault{Path: c.path, Err: err}
}

func (s *Session) wantsCopy(path string, entry *config.Directory) bool {
	if entry == nil || !entry.ReportChanges {
		return false
	}
	_, noDiff := s.rules.NoDiff(path)
	return !noDiff
}

func (s *Session) sizeLimit(entry *config.Directory) int64 {
	if entry.DiffSizeLimit > 0 {
		return entry.DiffSizeLimit
	}
	return s.opts.Config.Syscheck.DiffFileSize
}

// settle brings the copies up to date after a scan that went through.
func (s *Session) settle(all bool, r *run) error {
	err := s.diffs.CommitAll()
	if all {
		err = errors.Join(err, s.diffs.Prune(func(path string) bool {
			entry, ok := s.rules.For(path)
			return ok && s.wantsCopy(path, &entry)
		}))
	}
	if evicted := s.diffs.Evicted(); len(evicted) > 0 {
		r.extra(scan.Fault{Path: evicted[0], Err: fmt.Errorf(
			"no room for copies of %s: the next change is reported without a diff; raise diff_quota", report.Files(int64(len(evicted))))})
	}
	s.tellNotCopied(r)
	return err
}

// tellNotCopied tells of copies that could not be stored, once: a full disk is
// full for each of them.
func (s *Session) tellNotCopied(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notCopied == 0 {
		return
	}
	r.extra(scan.Fault{Path: s.copyErr.Path, Err: fmt.Errorf(
		"no copies of %s: the next change is reported without a diff: %w", report.Files(s.notCopied), s.copyErr.Err)})
	s.notCopied = 0
}

// run is one scan.
type run struct {
	*Session
	o       Scan
	maker   *report.Maker
	ctx     context.Context //nolint:containedctx // the callbacks of a scan have none of their own
	own     int64           // faults that are not of the scan itself
	logFail bool            // said so
	later   bool            // said so
}

// change is called before the baseline takes a change over: an event may be
// told twice, never not at all.
func (r *run) change(c *scan.Change) error {
	if r.o.Tell != nil {
		if err := r.o.Tell(c, func(fields int) string { return r.wireDiff(c, fields) }); err != nil {
			r.putOff(c, err)
			return err
		}
	}
	in := r.inside(c, diff.SinceSeen)
	if c.Action == scan.Deleted || c.Action == scan.Moved {
		r.forget(c)
	}
	if r.opts.Events == nil {
		return nil
	}
	if err := r.opts.Events.Emit(r.ctx, r.maker.Event(c, in)); err != nil && !r.logFail {
		r.logFail = true // once: a full disk is full for each of them
		r.extra(scan.Fault{Path: c.Path, Err: fmt.Errorf("log the event: %w", err)})
	}
	return nil
}

// putOff tells of the first change that is left for a later scan to find.
func (r *run) putOff(c *scan.Change, err error) {
	if !errors.Is(err, scan.ErrLater) || r.later {
		return
	}
	r.later = true
	r.extra(scan.Fault{Path: c.Path, Err: err})
}

func (r *run) forget(c *scan.Change) {
	path := c.Path
	if c.Action == scan.Moved {
		path = c.From
	}
	if err := r.diffs.Forget(path); err != nil {
		r.extra(scan.Fault{Path: path, Err: err})
	}
}

// extra tells a fault that is not of the scan itself, which counts its own.
func (r *run) extra(f scan.Fault) {
	r.own++
	_ = r.fault(f) // never fails
}

func (r *run) fault(f scan.Fault) error {
	if r.o.Fault != nil {
		r.o.Fault(f)
	}
	return nil
}

// inside tells what changed in the content of a file, if its entry asks for it.
func (s *Session) inside(c *scan.Change, since diff.Since) report.Inside {
	if c.Action != scan.Updated || c.Entry == nil || !c.Entry.ReportChanges {
		return report.Inside{}
	}
	if _, noDiff := s.rules.NoDiff(c.Path); noDiff {
		return report.Inside{Why: "nodiff covers it"}
	}
	res, err := s.diffs.Diff(c.Path, since)
	if err != nil {
		return report.Inside{Why: event.SafeText(err.Error())}
	}
	if res.Why != "" {
		return report.Inside{Why: res.Why}
	}
	name := event.SafeText(c.Path)
	return report.Inside{Diff: res.Unified(name, name)}
}

// wireDiff is inside in OSSEC's form (diff's normal format).
func (s *Session) wireDiff(c *scan.Change, fields int) string {
	if c.Action != scan.Updated || c.Entry == nil || !c.Entry.ReportChanges {
		return ""
	}
	if _, noDiff := s.rules.NoDiff(c.Path); noDiff {
		return diff.WireNoDiff
	}
	res, err := s.diffs.Diff(c.Path, diff.SinceSeen)
	if err != nil || res.Why != "" {
		return ""
	}
	return string(diff.TruncateForWire(diff.NormalDiff(res.Before, res.After), fields))
}

// outermost returns paths sorted, without those that lie below another.
func outermost(paths []string) []string {
	sorted := slices.Clone(paths)
	slices.SortFunc(sorted, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
	})
	var out []string
	for _, p := range sorted {
		if len(out) == 0 || !below(p, out[len(out)-1]) {
			out = append(out, p)
		}
	}
	return out
}

// below reports whether path is root or lies below it.
func below(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(root, "/"))
}
