// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"hids/config"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/pkgdb"
)

// Scanner runs checks over one host. It remembers nothing; Store does.
type Scanner struct {
	Host   paths.Host
	Checks []check.Check // all there are; see Checks
	Config *config.Rootcheck
	Log    *slog.Logger
}

// State says what became of a check.
type State string

// The states of a check in a report.
const (
	Done          State = "done"
	Partial       State = "partial" // something could not be looked at
	NotApplicable State = "not applicable"
	Failed        State = "failed"
)

// Outcome is what became of one check.
type Outcome struct {
	Check    string        `json:"check"`
	State    State         `json:"state"`
	Reason   string        `json:"reason,omitempty"` // of NotApplicable and Failed
	Faults   int           `json:"faults,omitempty"`
	Duration time.Duration `json:"duration_ns"`

	findings []check.Finding
	memory   *check.Memory
}

// Limits of what one check may report by one rule. A tree full of planted files
// must not exhaust us, and what anybody can plant must not push out what another
// rule finds.
const (
	maxFindings = 5000
	maxText     = 4 << 20 // bytes
)

// quota is what a rule has reported so far.
type quota struct {
	findings, text int
	full           bool // something was left out
}

// takes reports whether there is room for f, and makes it smaller.
func (q *quota) takes(f *check.Finding) bool {
	size := f.Size()
	if q.findings == maxFindings || q.text+size > maxText {
		return false
	}
	q.findings++
	q.text += size
	return true
}

// gcPercent is Go's setting for collecting garbage during a scan.
const gcPercent = 30

// Select returns those of all that are to run: the named ones, or those that
// the configuration leaves on. Names may be those of OSSEC's elements too.
func Select(all []check.Check, cfg *config.Rootcheck, names []string) ([]check.Check, error) {
	for _, n := range names {
		if !slices.ContainsFunc(all, func(c check.Check) bool { return called(c, n) }) {
			return nil, fmt.Errorf("there is no check %q", n)
		}
	}
	var out []check.Check
	for _, c := range all {
		on := !c.OptIn && !cfg.Off[c.Name] && !cfg.Off[c.Switch]
		if len(names) > 0 {
			on = slices.ContainsFunc(names, func(n string) bool { return called(c, n) })
		}
		if on {
			out = append(out, c)
		}
	}
	return out, nil
}

func called(c check.Check, name string) bool {
	return name != "" && (c.Name == name || c.Switch == name)
}

// Run runs the named checks (none: all that are on), one after the other, and
// calls found for each finding as it comes.
func (sc *Scanner) Run(ctx context.Context, names []string, memory func(check string) *check.Memory, found func(check.Finding)) ([]Outcome, error) {
	selected, err := Select(sc.Checks, sc.Config, names)
	if err != nil {
		return nil, err
	}
	// A scan reads much and keeps little: with the usual setting half of the
	// memory would be garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	files, err := hostfile.New(sc.Host.Root)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	base := check.Scan{Host: sc.Host, FS: files, Live: sc.Host.Root == "", Config: sc.Config, Log: sc.Log}
	if base.Packages, err = packages(sc.Host); err != nil {
		sc.Log.Info("files can't be told by package", "err", err)
	}
	runs := make([]*run, len(selected))
	for i, c := range selected {
		runs[i] = newRun(c, base, memory(c.Name), found)
	}
	var outcomes []Outcome
	walked := false
	for _, r := range runs {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		switch {
		case r.check.Walk == nil:
			r.ask(ctx)
		case !walked:
			walked = true
			walkAll(ctx, files, runs)
		}
		outcomes = append(outcomes, r.out)
	}
	return outcomes, ctx.Err()
}

// Once runs the named checks outside the daemon and makes a report. With keeps
// the store remembers it; without, nothing is known of earlier runs.
func (sc *Scanner) Once(ctx context.Context, names []string, store *Store, keeps bool) (*Report, error) {
	memory := func(string) *check.Memory { return check.NewMemory(nil) }
	if keeps {
		var err error
		if memory, err = store.Memory(); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	outcomes, err := sc.Run(ctx, names, memory, func(check.Finding) {})
	if err != nil {
		return nil, err
	}
	if keeps {
		report, _, err := store.Finish(ctx, start, time.Now(), "scan-now", outcomes)
		if err != nil {
			sc.Log.Error("this scan is not remembered", "err", err)
		}
		return report, nil
	}
	report, _ := emptyStore().finish(start, time.Now(), "scan-now", outcomes)
	return report, nil
}

// packages keeps a typed nil out of the interface.
func packages(h paths.Host) (check.Packages, error) {
	db, err := pkgdb.Open(h)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// run is one check being asked.
type run struct {
	check   check.Check
	scan    check.Scan
	out     Outcome
	visitor walk.Visitor // of a check that walks
	begin   time.Time
}

func newRun(c check.Check, s check.Scan, memory *check.Memory, found func(check.Finding)) *run {
	r := &run{check: c, scan: s, out: Outcome{Check: c.Name, memory: memory}}
	r.scan.Check, r.scan.Memory = c.Name, memory
	seen, quotas := map[string]bool{}, map[string]*quota{}
	r.scan.Emit = func(f check.Finding) {
		key := f.ID + f.Wire
		if seen[key] {
			return
		}
		q := quotas[f.Rule]
		if q == nil {
			q = &quota{}
			quotas[f.Rule] = q
		}
		if !q.takes(&f) {
			r.leaveOut(q, f.Rule)
			return
		}
		seen[key] = true
		r.out.findings = append(r.out.findings, f)
		found(f)
	}
	return r
}

// leaveOut says once for each rule that it found too much.
func (r *run) leaveOut(q *quota, rule string) {
	if !q.full {
		q.full = true
		r.scan.Fault("report", fmt.Errorf("rule %s: more than %d findings, or %d MiB of them; the rest is left out", rule, maxFindings, maxText>>20))
	}
}

// applies reports whether the check has a meaning here, and notes when it began.
func (r *run) applies() bool {
	r.begin = time.Now()
	if r.check.Live && !r.scan.Live {
		r.out.State, r.out.Reason = NotApplicable, "asks the running kernel; this is an image"
		return false
	}
	return true
}

func (r *run) ask(ctx context.Context) {
	if r.applies() {
		r.end(guarded(r.check.Name, func() error { return r.check.Run(ctx, &r.scan) }))
	}
}

func (r *run) end(err error) {
	r.out.Duration, r.out.Faults = time.Since(r.begin), r.scan.Faults
	switch {
	case errors.Is(err, check.ErrNotApplicable), errors.Is(err, errors.ErrUnsupported):
		r.out.State, r.out.Reason = NotApplicable, err.Error()
	case err != nil:
		r.out.State, r.out.Reason = Failed, err.Error()
	case r.scan.Faults > 0:
		r.out.State = Partial
	default:
		r.out.State = Done
	}
}

// walkAll walks once for all checks that want to see the whole file system.
func walkAll(ctx context.Context, files *hostfile.FS, runs []*run) {
	var walking []*run
	var visitors []walk.Visitor
	for _, r := range runs {
		if r.check.Walk == nil || !r.applies() {
			continue
		}
		err := guarded(r.check.Name, func() (err error) {
			r.visitor, err = r.check.Walk(ctx, &r.scan)
			return err
		})
		if err != nil {
			r.end(err)
			continue
		}
		walking = append(walking, r)
		visitors = append(visitors, &guard{Visitor: r.visitor, name: r.check.Name})
	}
	for i, err := range walk.Walk(ctx, files, visitors) {
		walking[i].end(err)
	}
}

// guarded makes a panic in one check an error of that check: it reads what an
// attacker may have written, and the other checks must run all the same.
func guarded(name string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("check %s failed: %v", name, r)
		}
	}()
	return f()
}

// guard does the same for a visitor: after a panic it wants no more.
type guard struct {
	walk.Visitor
	name string
	err  error
}

// Wants implements walk.Visitor.
func (g *guard) Wants(full string, up walk.State) (wants bool) {
	g.try(func() { wants = g.Visitor.Wants(full, up) })
	return wants
}

// Enter implements walk.Visitor.
func (g *guard) Enter(f *walk.Folder, up walk.State) (st walk.State) {
	g.try(func() { st = g.Visitor.Enter(f, up) })
	return st
}

// Entry implements walk.Visitor.
func (g *guard) Entry(f *walk.Folder, e *walk.Entry, st walk.State) {
	g.try(func() { g.Visitor.Entry(f, e, st) })
}

// Leave implements walk.Visitor.
func (g *guard) Leave(f *walk.Folder, st walk.State) {
	g.try(func() { g.Visitor.Leave(f, st) })
}

// Finish implements walk.Visitor.
func (g *guard) Finish(err error) error {
	if g.err != nil {
		return g.err
	}
	return guarded(g.name, func() error { return g.Visitor.Finish(err) })
}

func (g *guard) try(f func()) {
	if g.err == nil {
		g.err = guarded(g.name, func() error { f(); return nil })
	}
}

// Complete reports whether everything that was asked has an answer.
func Complete(outcomes []Outcome) bool {
	return !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.State == Failed || o.State == Partial })
}
