// SPDX-License-Identifier: Apache-2.0

// Package syscheckd is the module that watches files: when everything is
// scanned, what happens between scans, who is told, and what an operator may
// ask of it. It puts its subpackages together and decides nothing that they
// decide: what is watched (config/rules), how files are read and compared
// (scan), what is kept (baseline, diff), how changes are told (report, wire).
//
// One goroutine, the loop, owns the baseline. Beside it run the feed, which
// collects what happens to watched folders, and the courier to OSSEC's queue.
//
//	kernel → feed ──(due)──► loop ──► baseline
//	clock, operators ───────►  │  └──► event log
//	                           └─────► spool → courier → OSSEC's queue
package syscheckd

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/schedule"
	"hids/modules/syscheckd/session"
	"hids/platform/priority"
)

// Module returns the module. It reads every file without regard to its mode
// (CAP_DAC_READ_SEARCH) and writes nothing but its own state.
func Module() modules.Module {
	return modules.Module{
		Name:  "syscheckd",
		Alias: "ossec-syscheckd",
		Privileges: modules.Privileges{
			User: "hids-syscheck", Group: "ossec", Caps: []string{"CAP_DAC_READ_SEARCH"}, Confined: true,
		},
		Enabled: func(c *config.Config) bool { return !c.Syscheck.Disabled && len(c.Syscheck.Directories) > 0 },
		New:     func(env modules.Env) (modules.Daemon, error) { return newDaemon(env) },
	}
}

// Daemon watches files.
type Daemon struct {
	env     modules.Env
	log     *slog.Logger
	host    string
	session *session.Session
	feed    *feed
	names   *names
	out     *outbox
	plan    schedule.Plan
	quick   chan *task    // asked by operators, done by the loop, also while it scans
	long    chan *task    // the same, but only between scans
	wake    chan struct{} // a look or a quick task is due
	wanted  bool          // agentd asks for a scan; only the loop uses it

	mu     sync.Mutex // guards status
	status status
}

// newDaemon opens what outlives the process.
func newDaemon(env modules.Env) (*Daemon, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	d := &Daemon{
		env: env, log: env.Log, host: host, names: newNames(),
		plan:  schedule.New(&env.Config.Syscheck),
		quick: make(chan *task, 16),
		long:  make(chan *task),
		wake:  make(chan struct{}, 1),
	}
	d.session, err = session.Open(session.Options{
		Layout: env.Layout, Config: env.Config, Names: report.SystemNames(), Host: host, Access: session.Write,
		Events: env.Events,
	})
	if err != nil {
		return nil, err
	}
	if d.out, err = newOutbox(env); err != nil {
		return nil, errors.Join(err, d.session.Close())
	}
	return d, nil
}

// Run watches until ctx ends.
func (d *Daemon) Run(ctx context.Context) error {
	if err := priority.Lower(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		d.log.Debug("the priority stays as it is", "err", err)
	}
	d.greet()
	d.feed = newFeed(d.session.Rules(), d.env.Layout, d.log, d.alarm)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	for _, run := range []func(context.Context) error{d.feed.run, d.out.run, d.loop} {
		wg.Go(func() {
			defer cancel()
			errs <- run(ctx)
		})
	}
	d.env.Ready()
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(append(all, d.feed.close(), d.out.close(), d.session.Close())...)
}

// greet says what is watched, as OSSEC's syscheckd does.
func (d *Daemon) greet() {
	for _, f := range d.session.Warnings() {
		d.log.Warn("configuration", "fault", f.Error())
	}
	for _, entry := range d.session.Rules().Directories() {
		d.log.Info("Monitoring directory: '" + entry.Path + "'.")
		if entry.Realtime {
			d.log.Info("Directory set for real time monitoring: '" + entry.Path + "'.")
		}
	}
}

// alarm wakes the loop, or the pause of the scan that it is in.
func (d *Daemon) alarm() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// glance is how often the loop looks at the clock at least: timers do not see a
// clock that is set.
const glance = time.Minute

// loop does one thing after the other until ctx ends.
func (d *Daemon) loop(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return stopped(ctx, err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if d.wanted { // asked for while it scanned
			d.alarm()
		}
		timer.Reset(d.untilNext())
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
			_, err = d.pause(ctx)
		case t := <-d.long:
			t.do(ctx)
		case <-timer.C:
			err = d.onTime(ctx)
		}
		if err == nil && d.wanted {
			d.wanted = false
			err = d.scanAll(ctx, "scan-now")
		}
		if err != nil {
			return stopped(ctx, err)
		}
	}
}

// begin scans, or only begins to watch where scan_on_start is no.
func (d *Daemon) begin(ctx context.Context) error {
	if d.env.Config.Syscheck.ScanOnStart {
		return d.scanAll(ctx, "startup")
	}
	return d.session.Folders(ctx, d.feed.enter)
}

// stopped is nil for the error of a loop that was told to end.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

var _ modules.Controller = (*Daemon)(nil)
