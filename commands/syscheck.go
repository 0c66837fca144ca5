// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hids/modules/event"
	"hids/modules/event/eventlog"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/signals"
)

func (p *program) syscheckCommand() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "syscheck",
		Short: "Watch files for changes",
		Long: `Syscheck compares files with what they were. The first scan makes the baseline;
each later one tells what differs from it, until that is accepted.

  hids syscheck --scan-now             scan everything that is configured
  hids syscheck --scan-now /etc /bin   scan these folders only
  hids syscheck list                   what differs, as of the last scan
  hids syscheck accept                 take what is there now as it should be

In the answer + is a file that was added, - one that was deleted, > one that
was moved, ~ one that was changed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !now {
				return usageError("say what to do: --scan-now, or list, accept, show or export")
			}
			return p.syscheckNow(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVar(&now, "scan-now", false, "scan once, in the foreground, and tell what differs")
	cmd.AddCommand(p.syscheckListCommand(), p.syscheckAcceptCommand(), p.syscheckShowCommand(), p.syscheckExportCommand())
	return cmd
}

// syscheckNow makes one scan and tells what differs from the accepted state, which
// is more than what this scan found if earlier changes wait to be accepted.
func (p *program) syscheckNow(ctx context.Context, args []string) error {
	ctx, stop := signals.Stop(ctx)
	defer stop()
	return p.withSession(ctx, session.Write, args, func(s *session.Session, paths []string) error {
		result, err := p.runScan(ctx, s, paths)
		if err != nil {
			return scanError(err)
		}
		totals, err := p.printDifferences(s, paths)
		if err != nil {
			return err
		}
		if p.format == "text" {
			p.printSeeded(s, result)
		}
		fmt.Fprintln(p.stderr, report.Summary(result, totals))
		return p.scanExit(result, totals)
	})
}

// runScan scans with a progress bar, and lists what could not be done.
func (p *program) runScan(ctx context.Context, s *session.Session, paths []string) (*scan.Result, error) {
	log, err := p.openEvents(s)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var progress scan.Progress
	stop := p.progress(s.Expected(paths), func() counter {
		return counter{progress.Files.Load(), progress.Bytes.Load(), progress.Path()}
	})
	var faults faultList
	result, err := s.Scan(ctx, session.Scan{
		Paths: paths, Trigger: "scan-now", Progress: &progress, Events: log, Fault: faults.add,
	})
	stop()
	faults.print(p)
	return result, err
}

// openEvents opens the event log, and makes the folder above it where hids was
// never installed.
func (p *program) openEvents(s *session.Session) (*eventlog.Writer, error) {
	path, settings := s.Layout().EventLog(), s.Config().Settings
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(path)), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the event log: %w", err)
	}
	return eventlog.Open(path, eventlog.Options{MaxSize: settings.EventLogSize, MaxFiles: settings.EventLogFiles})
}

// scanError gives the errors of a scan their exit codes and hints.
func scanError(err error) error {
	switch {
	case errors.Is(err, scan.ErrNotWatched):
		return failWith(exitUsage, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return failWith(exitPartial, err, "what was not stored is found again by the next scan")
}

// printDifferences prints what differs from the accepted state on stdout.
func (p *program) printDifferences(s *session.Session, paths []string) (report.Totals, error) {
	var totals report.Totals
	out := p.changePrinter(s)
	err := s.Differing(paths, func(c *scan.Change, in report.Inside) error {
		totals.Count(c)
		return out.Add(c, in)
	})
	if err != nil {
		return totals, err
	}
	return totals, out.Flush()
}

// changePrinter is a report.List, or its likeness in JSON.
type changePrinter interface {
	Add(c *scan.Change, in report.Inside) error
	Flush() error
}

func (p *program) changePrinter(s *session.Session) changePrinter {
	if p.format == "json" {
		return &jsonChanges{json.NewEncoder(p.stdout), s.Maker("scan-now")}
	}
	c := p.palette()
	return report.NewList(p.stdout, s.Names(), report.Colours{
		Folder: c.bold, Added: c.green, Changed: c.yellow, Deleted: c.red, Moved: c.cyan, Reset: c.reset,
	})
}

type jsonChanges struct {
	enc   *json.Encoder
	maker *report.Maker
}

func (j *jsonChanges) Add(c *scan.Change, in report.Inside) error {
	return j.enc.Encode(j.maker.Event(c, in))
}
func (j *jsonChanges) Flush() error { return nil }

// printSeeded says what a first scan did, and where.
func (p *program) printSeeded(s *session.Session, r *scan.Result) {
	switch {
	case r.First:
		fmt.Fprintf(p.stdout, "baseline made: %s, %s\n", report.Files(r.Seeded), report.Size(r.Bytes))
		fmt.Fprintf(p.stdout, "it is in %s\n", event.SafeText(s.Where()))
	case r.Seeded > 0:
		fmt.Fprintf(p.stdout, "baseline extended: %s that are watched now\n", report.Files(r.Seeded))
	}
	if r.Dropped > 0 {
		fmt.Fprintf(p.stdout, "baseline reduced: %s that are no longer watched\n", report.Files(r.Dropped))
	}
}

// scanExit chooses the exit code: differences win over faults.
func (p *program) scanExit(r *scan.Result, t report.Totals) error {
	switch {
	case t.Differences() > 0:
		p.hint("take what is as it should be with: hids syscheck accept [PATH...]")
		return exitWith(exitDiffers)
	case r.Faults > 0:
		return exitWith(exitPartial)
	}
	return nil
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
