// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"

	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
)

// operator is the daemon as an operate.Target: the loop does what changes
// anything, and what it has to tell is written outside of it.
type operator struct {
	d   *Daemon
	ctx context.Context // of the request
}

// maxFaults is how many faults one scan tells who asked for it; the log and
// the counts have all.
const maxFaults = 1000

// Scan implements operate.Target. Where the caller goes away the scan goes on.
func (o *operator) Scan(ctx context.Context, s session.Scan) (*scan.Result, error) {
	var (
		result *scan.Result
		faults []scan.Fault
	)
	tell := s.Fault
	s.Progress = nil // the daemon counts for itself
	s.Fault = func(f scan.Fault) {
		if len(faults) < maxFaults {
			faults = append(faults, f)
		}
	}
	err := o.d.ask(ctx, o.d.long, func(ctx context.Context) (err error) {
		result, err = o.d.scan(ctx, s)
		return err
	})
	if err != nil {
		return nil, err // and the loop may still be at it
	}
	for _, f := range faults {
		tell(f)
	}
	return result, nil
}

// Differing implements operate.Target.
func (o *operator) Differing(paths []string, each func(*scan.Change, report.Inside) error) error {
	if err := o.readable(); err != nil {
		return err
	}
	return o.d.session.Differing(paths, each)
}

// readable says whether the baseline may be read outside of the loop: a
// finished one has readers beside its writer, and a slow one holds nothing up;
// an unfinished one changes its place in the end.
func (o *operator) readable() error {
	return o.quick(func() error {
		if o.d.session.First() {
			return baseline.ErrNone
		}
		return nil
	})
}

// quick has the loop do something that takes a moment.
func (o *operator) quick(run func() error) error {
	return o.d.ask(o.ctx, o.d.quick, func(context.Context) error { return run() })
}

// Accept implements operate.Target.
func (o *operator) Accept(paths []string) (n int64, err error) {
	err = o.quick(func() (err error) {
		n, err = o.d.session.Accept(paths)
		return err
	})
	return n, err
}

// Lookup implements operate.Target.
func (o *operator) Lookup(path string) (session.Entry, error) {
	if err := o.readable(); err != nil {
		return session.Entry{}, err
	}
	return o.d.session.Lookup(path)
}

// Each implements operate.Target.
func (o *operator) Each(paths []string, each func(path string, r *record.Record) error) error {
	if err := o.readable(); err != nil {
		return err
	}
	return o.d.session.Each(paths, each)
}

// Names implements operate.Target.
func (o *operator) Names() report.Names { return o.d.session.Names() }

// Maker implements operate.Target.
func (o *operator) Maker(trigger string) *report.Maker { return o.d.session.Maker(trigger) }

// Where implements operate.Target.
func (o *operator) Where() string { return o.d.session.Where() }
