// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"time"

	"hids/modules/event/spool"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/modules/syscheckd/wire"
	"hids/platform/fswalk"
)

// untilNext is how long nothing is due, as far as can be known.
func (d *Daemon) untilNext() time.Duration {
	now := time.Now()
	next := d.plan.Next(d.lastBegan(), now)
	d.mu.Lock()
	d.status.Next = next
	d.mu.Unlock()
	if d.out.debt || d.out.late {
		return time.Second // until there is room
	}
	return min(max(next.Sub(now), 0), glance)
}

// lastBegan is when the last scan of everything began; a scan that was made
// before this process counts too.
func (d *Daemon) lastBegan() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.status.began.IsZero() {
		last := session.ReadLastScan(d.env.Layout)
		if !last.Ended.IsZero() {
			d.status.began = last.Ended.Add(-last.Elapsed)
		} else {
			// Without any scan the clock of the schedule starts now.
			d.status.began = time.Now()
		}
	}
	return d.status.began
}

// onTime does what the clock asks for.
func (d *Daemon) onTime(ctx context.Context) error {
	d.feed.retry(time.Now())
	if d.feed.takeRequest() {
		d.wanted = true
	}
	if d.out.owes() {
		if err := d.forward(ctx); err != nil {
			return err
		}
	}
	now := time.Now()
	if !d.out.overdue() && d.plan.Next(d.lastBegan(), now).After(now) {
		return nil
	}
	return d.scanAll(ctx, "scheduled")
}

// scanAll scans everything, tells the manager where the scan begins and ends,
// and after a start sends it the whole baseline, as OSSEC does: the manager may
// have lost its own, and takes what it knows in silence.
func (d *Daemon) scanAll(ctx context.Context, trigger string) error {
	first := trigger == "startup"
	d.log.Info(words(first, "Starting syscheck scan (forwarding database).", "Starting syscheck scan."))
	d.out.say(wire.ScanStarted)
	began := time.Now()
	d.mu.Lock()
	d.status.began = began
	d.mu.Unlock()
	result, err := d.scan(ctx, session.Scan{Trigger: trigger})
	if err == nil {
		err = d.catchUp(ctx, first, result.First)
	}
	if err != nil {
		return err
	}
	d.log.Info(words(first, "Ending syscheck scan (forwarding database).", "Ending syscheck scan."))
	d.out.say(wire.ScanEnded, wire.Completed)
	d.summarize(result)
	return nil
}

func words(first bool, yes, no string) string {
	if first {
		return yes
	}
	return no
}

func (d *Daemon) summarize(r *scan.Result) {
	d.log.Info("scan ended", "files", r.Files, "bytes", r.Bytes, "changes", r.Differences(),
		"new_in_baseline", r.Seeded, "not_readable", r.Unread, "took", r.Elapsed.Round(time.Millisecond))
}

// scan makes one scan; what is due meanwhile is done in its pauses.
func (d *Daemon) scan(ctx context.Context, s session.Scan) (*scan.Result, error) {
	s.Live = &scan.Live{
		Wake:  d.wake,
		Pause: func() ([]string, error) { return d.pause(ctx) },
		Enter: d.feed.enter,
		Names: d.names.note,
	}
	progress := &scan.Progress{}
	s.Progress = progress
	d.setScanning(progress, s.Trigger)
	defer d.setScanning(nil, "")
	return d.inspect(ctx, s)
}

// inspect scans and tells, and sees to the other names of what has changed.
func (d *Daemon) inspect(ctx context.Context, s session.Scan) (*scan.Result, error) {
	s.HashLinkTarget = d.out.wanted()
	s.Tell = d.out.change
	s.Seeded = d.out.seeded
	s.Store = d.out.sync
	s.Fault = d.faults(s.Fault)
	result, err := d.session.Scan(ctx, s)
	if err == nil {
		d.mu.Lock()
		d.status.Changes += result.Differences()
		d.status.Scans++
		d.status.ScanTime += result.Elapsed
		d.mu.Unlock()
		err = d.lookAtNames(ctx)
	}
	return result, err
}

// faultLines bounds what one hour logs of single files.
const faultLines = 100

// faults logs what could not be done, and tells whoever asked for the scan.
func (d *Daemon) faults(asked func(scan.Fault)) func(scan.Fault) {
	return func(f scan.Fault) {
		d.fault(f)
		if asked != nil {
			asked(f)
		}
	}
}

// fault logs what could not be done.
func (d *Daemon) fault(f scan.Fault) {
	d.mu.Lock()
	d.status.Faults++
	if now := time.Now(); now.Sub(d.status.faultsSince) > time.Hour {
		d.status.faultsSince, d.status.faultsLogged = now, 0
	}
	d.status.faultsLogged++
	logged := d.status.faultsLogged
	d.mu.Unlock()
	switch {
	case logged < faultLines:
		d.log.Warn("file could not be examined", "path", f.Path, "err", f.Err)
	case logged == faultLines:
		d.log.Warn("more files could not be examined; they are counted in status")
	}
}

// pause does what must not wait for a scan to end: looks at what has just
// changed, and quick tasks. It returns the paths it has looked at.
func (d *Daemon) pause(ctx context.Context) ([]string, error) {
	looked, err := d.look(ctx)
	for {
		select {
		case t := <-d.quick:
			t.do(ctx)
		default:
			return looked, err
		}
	}
}

// look examines what the feed has found due.
func (d *Daemon) look(ctx context.Context) ([]string, error) {
	if d.feed.takeRequest() {
		d.wanted = true
	}
	var paths []string
	for _, l := range d.feed.take(time.Now()) {
		if scan.Watched(d.session.Rules(), l.Path, true) {
			paths = append(paths, l.Path)
		}
	}
	if len(paths) == 0 {
		return nil, d.lookAtNames(ctx)
	}
	_, err := d.inspect(ctx, session.Scan{
		Paths: paths, Trigger: "realtime", Look: true,
		Live: &scan.Live{Enter: d.feed.enter, Names: d.names.note},
	})
	if errors.Is(err, scan.ErrNotWatched) {
		err = nil // the file that made it watched has gone meanwhile
	}
	return paths, err
}

// catchUp lets the manager know the whole baseline after a start. The scan that
// made the baseline has told all of it already. What still waits from before is
// not put behind itself: a daemon that is started again and again while agentd
// is away would fill the spool with what is known.
func (d *Daemon) catchUp(ctx context.Context, first, made bool) error {
	switch {
	case !d.out.wanted():
		return nil
	case made && !d.out.debt:
		return d.out.said()
	case first && !made:
		d.out.owe("")
	}
	if !d.out.owes() {
		return nil
	}
	return d.forward(ctx)
}

// forward sends the manager what it is owed of the baseline, as far as there is
// room.
func (d *Daemon) forward(ctx context.Context) error {
	from := d.out.from
	err := d.session.Each(nil, func(path string, r *record.Record) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		entry, ok := d.session.Rules().For(path)
		if !ok || fswalk.Compare(path, from) < 0 {
			return nil
		}
		d.out.from = path
		return d.out.state(path, r, &entry)
	})
	if errors.Is(err, spool.ErrFull) {
		return nil // the rest is still owed
	}
	if err != nil {
		return err
	}
	d.out.debt = false
	return d.out.said()
}
