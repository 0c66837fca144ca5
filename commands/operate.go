// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hids/config"
	"hids/modules/event"
	"hids/modules/event/eventlog"
	"hids/modules/syscheckd"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/operate"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/control"
	"hids/platform/paths"
	"hids/platform/signals"
)

// syscheckModule is the name of the module whose daemon is asked.
const syscheckModule = "syscheckd"

// operate has a request answered, by the daemon where one runs, and prints the
// answer. The exit code is in the error.
func (p *program) operate(ctx context.Context, r operate.Request, args []string) error {
	ctx, stop := signals.Stop(ctx)
	defer stop()
	layout, err := p.layout()
	if err != nil {
		return err
	}
	if r.Paths, err = absolute(args); err != nil {
		return err
	}
	c := p.palette()
	r.Colours = report.Colours{
		Folder: c.bold, Added: c.green, Changed: c.yellow, Deleted: c.red, Moved: c.cyan, Reset: c.reset,
	}
	a := &answer{p: p, r: r}
	daemon := control.NewClient(layout.ControlSocket(syscheckModule))
	if r.Verb == operate.Scan {
		a.stopBar = p.progress(0, func() counter { return scannedByDaemon(ctx, daemon) })
	}
	err = operate.Ask(ctx, daemon, r, a.take)
	a.endBar()
	if errors.Is(err, control.ErrNotRunning) {
		err = p.operateHere(ctx, layout, r, a)
	}
	return a.finish(err)
}

// scannedByDaemon asks how far the daemon's scan is.
func scannedByDaemon(ctx context.Context, daemon *control.Client) counter {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var s syscheckd.Status
	if err := daemon.Get(ctx, "/status", &s); err != nil {
		return counter{}
	}
	return counter{s.Files, s.Bytes, s.Path}
}

// operateHere answers a request in this process.
func (p *program) operateHere(ctx context.Context, layout paths.Layout, r operate.Request, a *answer) error {
	if uid, gid, other := stateOwner(layout); other {
		return p.operateAs(ctx, uid, gid, layout)
	}
	cfg, err := p.loadConfig(ctx, layout)
	if err != nil {
		return err
	}
	o := session.Options{Layout: layout, Config: cfg, Names: report.SystemNames(), Host: hostname()}
	if r.Changes() {
		o.Access = session.Write
	}
	if r.Verb == operate.Scan {
		events, end, err := eventSink(layout, cfg)
		if err != nil {
			return err
		}
		defer end.Close()
		o.Events = events
	}
	s, err := p.openSession(o, r)
	if err != nil {
		return err
	}
	for _, f := range s.Warnings() {
		p.warn("%s", f.Error())
	}
	return errors.Join(p.operateOn(ctx, s, r, a), s.Close())
}

// target is a session of this process.
type target interface {
	operate.Target
	Warnings() config.Faults
	Expected(paths []string) int64
	Close() error
}

// openSession opens what a request needs: a scan may have to leave messages for
// a manager.
func (p *program) openSession(o session.Options, r operate.Request) (target, error) {
	if r.Verb != operate.Scan {
		return session.Open(o)
	}
	return syscheckd.OpenOffline(o, paths.Host{})
}

// operateOn draws a progress bar while it scans.
func (p *program) operateOn(ctx context.Context, s target, r operate.Request, a *answer) error {
	var progress operate.Progress
	if r.Verb == operate.Scan {
		a.stopBar = p.progress(s.Expected(r.Paths), func() counter {
			return counter{progress.Files.Load(), progress.Bytes.Load(), progress.Path()}
		})
	}
	defer a.endBar()
	return operate.Do(ctx, s, r, &progress, a.take)
}

// openEvents opens the event log, and makes the folder above it where hids was
// never installed.
func openEvents(layout paths.Layout, cfg *config.Config) (*eventlog.Writer, error) {
	path := layout.EventLog()
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(path)), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the event log: %w", err)
	}
	return eventlog.Open(path, eventlog.Options{MaxSize: cfg.Settings.EventLogSize, MaxFiles: cfg.Settings.EventLogFiles})
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return host
}

// maxFaults is how many faults are listed; a scan by a plain user has many.
const maxFaults = 20

// answer prints frames as they come. Faults wait until the progress bar is
// gone.
type answer struct {
	p       *program
	r       operate.Request
	stopBar func()
	faults  []string
	more    int64
	end     *operate.End
}

func (a *answer) take(f operate.Frame) error {
	switch {
	case f.End != nil:
		a.end = f.End
	case f.Fault != "" && len(a.faults) < maxFaults:
		a.faults = append(a.faults, f.Fault)
	case f.Fault != "":
		a.more++
	default:
		a.endBar()
		_, err := a.p.stdout.Write(f.Out)
		return err
	}
	return nil
}

func (a *answer) endBar() {
	if a.stopBar != nil {
		a.stopBar()
		a.stopBar = nil
	}
}

// finish prints what stands at the end on stderr, and chooses the exit code:
// differences win over faults.
func (a *answer) finish(err error) error {
	for _, f := range a.faults {
		a.p.warn("%s", f)
	}
	if a.more > 0 {
		a.p.warn("%s more faults like these", report.Count(a.more))
	}
	if err != nil {
		return a.failed(err)
	}
	if a.end == nil {
		return nil // the command ran as another user, and has said all
	}
	result, totals := a.end.Result, a.end.Totals
	if result != nil {
		fmt.Fprintln(a.p.stderr, report.Summary(result, totals))
	}
	switch {
	case totals.Differences() > 0:
		if a.r.Verb != operate.Show {
			a.p.hint("take what is as it should be with: hids syscheck accept [PATH...]")
		}
		return exitWith(exitDiffers)
	case result != nil && result.Faults > 0:
		return exitWith(exitPartial)
	}
	return nil
}

// failed gives the errors of a request their exit codes and hints.
func (a *answer) failed(err error) error {
	_, coded := errors.AsType[*codedError](err)
	_, refused := errors.AsType[*control.StatusError](err)
	switch {
	case coded, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, baseline.ErrNone), errors.Is(err, session.ErrUnknown), errors.Is(err, scan.ErrNotWatched):
		return failWith(exitUsage, err)
	case refused:
		return failWith(exitUnreachable, err)
	case a.r.Verb == operate.Scan && !errors.Is(err, baseline.ErrBusy):
		return failWith(exitPartial, err, "what was not stored is found again by the next scan")
	}
	return err
}

// absolute makes the paths of the command line absolute and clean. Symbolic
// links stay as they are: the baseline knows files by the names that are
// watched.
func absolute(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		if arg == "" {
			return nil, usageError("a path is empty")
		}
		path, err := filepath.Abs(arg)
		if err != nil {
			return nil, fmt.Errorf("make %s absolute: %w", event.SafeText(arg), err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
