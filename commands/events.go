// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hids/modules/event"
	"hids/modules/event/eventlog"
	"hids/platform/signals"
)

type eventsFlags struct {
	follow bool
	since  string
	module string
	path   string
}

func (p *program) eventsCommand() *cobra.Command {
	var f eventsFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what was found and done, from the local event log",
		Long: `Show what was found and done, from the local event log. With --format json the
lines are printed as they are: Elastic Common Schema, one object a line.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.events(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.follow, "follow", "f", false, "wait for new events; without --since show only those")
	fl.StringVar(&f.since, "since", "", "show events from then on: 90m, 2h, 7d ago, or 2026-11-21, 2026-11-21T22:48:20Z")
	fl.StringVar(&f.module, "module", "", "show those of execd, syscheck or rootcheck only")
	fl.StringVar(&f.path, "path", "", "show those about files that match only; * stays in a folder, ** does not")
	return cmd
}

func (p *program) events(ctx context.Context, f *eventsFlags) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	filter, err := f.filter(time.Now())
	if err != nil {
		return usageError("%w", err)
	}
	ctx, stop := signals.Stop(ctx)
	defer stop()
	records := eventlog.Read(layout.EventLog(), filter)
	if f.follow {
		records = eventlog.Follow(ctx, layout.EventLog(), filter, f.since == "")
	}
	return p.printRecords(ctx, records)
}

func (p *program) printRecords(ctx context.Context, records iter.Seq2[eventlog.Record, error]) error {
	for r, err := range records {
		switch {
		case errors.Is(err, fs.ErrPermission):
			return failWith(exitPartial, err, "run this as root or as a member of the group of hids")
		case errors.Is(err, fs.ErrNotExist):
			return failWith(exitPartial, err, "no event was logged in this installation yet; --home names another")
		case err != nil:
			return err
		case ctx.Err() != nil:
			return nil
		}
		if err := p.printEventRecord(&r); err != nil {
			return nil // nobody reads any more
		}
	}
	return nil
}

func (p *program) printEventRecord(r *eventlog.Record) error {
	if p.format == "json" {
		_, err := p.stdout.Write(append(slices.Clip(r.Line), '\n'))
		return err
	}
	return printEventText(p.stdout, p.palette(), &r.Event)
}

// printEventText prints one event as one line: when, who, how bad, what.
func printEventText(w io.Writer, c palette, e *event.Event) error {
	color := c.cyan
	switch {
	case e.Event.Severity >= 10:
		color = c.red
	case e.Event.Severity >= 7:
		color = c.yellow
	}
	_, err := fmt.Fprintf(w, "%s  %-9s  %s%2d %s%s  %s\n", e.Time.Local().Format(time.DateTime), event.SafeText(e.Event.Module),
		color, e.Event.Severity, event.SafeText(e.Event.Action), c.reset, terminalText(e.Message))
	return err
}

func (f *eventsFlags) filter(now time.Time) (eventlog.Filter, error) {
	filter := eventlog.Filter{Module: f.module}
	switch f.module {
	case "", "execd", "syscheck", "rootcheck":
	default:
		return filter, fmt.Errorf("--module is %q, but can be execd, syscheck or rootcheck only", f.module)
	}
	since, err := parseSince(f.since, now)
	if err != nil {
		return filter, err
	}
	filter.Since = since
	return filter.WithPath(f.path)
}

// parseSince reads a time that is given as how long ago it was, or as a date.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since is %q: say 90m, 2h, 7d or 2026-11-21", s)
}

// terminalText is a message for a terminal. The module that made it has made
// names in it safe, with backslashes; what is doubled here is not shown twice.
func terminalText(s string) string {
	return strings.ReplaceAll(event.SafeText(s), `\\`, `\`)
}
