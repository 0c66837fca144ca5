// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hids/modules/rootcheck"
	"hids/modules/rootcheck/check"
	"hids/platform/control"
	"hids/platform/paths"
)

func (p *program) rootcheckCommand() *cobra.Command {
	var (
		now  bool
		host string
	)
	s := &service{}
	cmd := &cobra.Command{
		Use:   "rootcheck [flags] [CHECK]...",
		Short: "Look for rootkits and for settings that should be different",
		Long: `Look for rootkits and for settings that should be different, as a daemon, when
it is time to.

With --scan-now the checks run once, in the daemon where one runs, and what
they find is printed: what it is, why it matters and how to look closer. With
names only those checks run; hids rootcheck checks lists them.`,
		ValidArgsFunction: completeCheck,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case host != "" && !now:
				return usageError("--host needs --scan-now")
			case len(args) > 0 && !now:
				return usageError("%q is no command of rootcheck; to run a check add --scan-now", args[0])
			case !now:
				return p.serveModule(cmd.Context(), s, rootcheck.Name)
			}
			return p.scanNow(cmd.Context(), host, args)
		},
	}
	s.addFlags(cmd)
	cmd.Flags().BoolVar(&now, "scan-now", false, "run the checks once, here, and print what they find")
	cmd.Flags().StringVar(&host, "host", "", "look at the system mounted at this folder instead of this machine")
	cmd.AddCommand(p.rootcheckList(), p.rootcheckAccept(), p.rootcheckChecks(), p.rootcheckPolicy())
	return cmd
}

func completeCheck(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, c := range rootcheck.Checks(paths.Layout{}) {
		names = append(names, c.Name+"\t"+c.Title)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// scanNow asks the daemon to scan; where none runs it scans here.
func (p *program) scanNow(ctx context.Context, host string, names []string) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	if host == "" {
		report, err := askScan(ctx, layout, names)
		if !errors.Is(err, control.ErrNotRunning) {
			return p.finishScan(report, err)
		}
	}
	report, err := p.scanHere(ctx, layout, host, names)
	return p.finishScan(report, err)
}

func askScan(ctx context.Context, layout paths.Layout, names []string) (*rootcheck.Report, error) {
	var report rootcheck.Report
	client := control.NewClient(layout.ControlSocket(rootcheck.Name))
	err := client.Post(ctx, "/scan", rootcheck.ScanRequest{Checks: names}, &report)
	if refused, ok := errors.AsType[*control.StatusError](err); ok && refused.Code == 400 {
		return nil, usageError("%w", err)
	}
	return &report, err
}

func (p *program) scanHere(ctx context.Context, layout paths.Layout, host string, names []string) (*rootcheck.Report, error) {
	cfg, err := p.loadConfig(ctx, layout)
	if err != nil {
		return nil, err
	}
	checks := rootcheck.Checks(layout)
	if _, err := rootcheck.Select(checks, &cfg.Rootcheck, names); err != nil {
		return nil, failWith(exitUsage, err, "hids rootcheck checks lists them")
	}
	log := p.rootcheckLog()
	sc := rootcheck.Scanner{Host: paths.Host{Root: host}, Checks: checks, Config: &cfg.Rootcheck, Log: log}
	store := rootcheck.NewStore(layout.State(rootcheck.Name), log)
	keeps := host == "" && isDir(layout.Home)
	report, err := sc.Once(ctx, names, store, keeps)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	if host == "" && !keeps {
		p.warn("%s is not there, so nothing of this scan is remembered", layout.Home)
	}
	return report, nil
}

// rootcheckLog says on stderr what could not be looked at, and with -d more.
func (p *program) rootcheckLog() *slog.Logger {
	level := slog.LevelWarn - slog.Level(4*p.debug)
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// finishScan prints a report; its findings make the exit code.
func (p *program) finishScan(report *rootcheck.Report, err error) error {
	if err != nil {
		return err
	}
	if err := p.printReport(report, false); err != nil {
		return err
	}
	p.printScanSummary(report)
	switch {
	case len(report.Open()) > 0:
		return exitWith(exitDiffers)
	case !rootcheck.Complete(report.Outcomes):
		return exitWith(exitPartial)
	}
	return nil
}

func (p *program) printScanSummary(r *rootcheck.Report) {
	count := map[check.Kind]int{}
	accepted := 0
	for _, e := range r.Entries {
		switch {
		case e.Accepted != nil:
			accepted++
		case e.Missed == 0:
			count[e.Kind]++
		}
	}
	for _, o := range r.Outcomes {
		switch o.State {
		case rootcheck.NotApplicable:
			if p.debug > 0 {
				fmt.Fprintf(p.stderr, "%s: %s\n", o.Check, o.Reason)
			}
		case rootcheck.Failed:
			p.warn("check %s: %s", o.Check, o.Reason)
		case rootcheck.Partial:
			p.warn("check %s could not look at %d things", o.Check, o.Faults)
		}
	}
	fmt.Fprintf(p.stderr, "%d checked in %s: %d rootkit, %d suspicious, %d policy, %d facts; %d accepted\n",
		len(r.Outcomes), r.End.Sub(r.Start).Round(10*time.Millisecond),
		count[check.Rootkit], count[check.Suspicious], count[check.Policy], count[check.Info], accepted)
}

func (p *program) rootcheckList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show what the last scan found, accepted or not",
		Long: `Show what the last scan found, accepted or not, with the ID that accept takes,
why it matters and how to look closer. Exit code 1 if something is not accepted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			layout, err := p.layout()
			if err != nil {
				return err
			}
			report, err := p.lastReport(cmd.Context(), layout)
			if err != nil {
				return err
			}
			if report.End.IsZero() {
				return failWith(exitPartial, errors.New("no scan has been made yet"), "hids rootcheck --scan-now")
			}
			if err := p.printReport(report, true); err != nil {
				return err
			}
			if len(report.Open()) > 0 {
				return exitWith(exitDiffers)
			}
			return nil
		},
	}
}

// lastReport asks the daemon; where none runs it reads the record.
func (p *program) lastReport(ctx context.Context, layout paths.Layout) (*rootcheck.Report, error) {
	var report rootcheck.Report
	err := control.NewClient(layout.ControlSocket(rootcheck.Name)).Get(ctx, "/findings", &report)
	if errors.Is(err, control.ErrNotRunning) {
		return rootcheck.NewStore(layout.State(rootcheck.Name), p.rootcheckLog()).Report()
	}
	return &report, err
}

func (p *program) rootcheckAccept() *cobra.Command {
	var (
		note     string
		withdraw bool
	)
	cmd := &cobra.Command{
		Use:   "accept [flags] ID",
		Short: "Accept a finding as it is now",
		Long: `Accept a finding as it is now: it stays visible in list, is not reported
again, and comes back when the thing changes. ID is the finding's, or enough of
its beginning.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.acceptFinding(cmd.Context(), rootcheck.AcceptRequest{ID: args[0], Note: note}, withdraw)
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why it is all right, for whoever reads the list")
	cmd.Flags().BoolVar(&withdraw, "withdraw", false, "take the acceptance back")
	return cmd
}

func (p *program) acceptFinding(ctx context.Context, req rootcheck.AcceptRequest, withdraw bool) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	e, err := decideFinding(ctx, layout, req, withdraw, p.rootcheckLog())
	refused, isRefusal := errors.AsType[*control.StatusError](err)
	if errors.Is(err, rootcheck.ErrUnknownFinding) || isRefusal && refused.Code < 500 {
		return failWith(exitUsage, err)
	}
	if err != nil {
		return err
	}
	if p.format == "json" {
		return json.NewEncoder(p.stdout).Encode(e)
	}
	verb := "accepted"
	if withdraw {
		verb = "no longer accepted"
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %s %s\n", verb, e.ID, e.Title)
	return err
}

func decideFinding(ctx context.Context, layout paths.Layout, req rootcheck.AcceptRequest, withdraw bool, log *slog.Logger) (rootcheck.Entry, error) {
	var e rootcheck.Entry
	target, store := "/accept", rootcheck.NewStore(layout.State(rootcheck.Name), log)
	if withdraw {
		target = "/withdraw"
	}
	err := control.NewClient(layout.ControlSocket(rootcheck.Name)).Post(ctx, target, req, &e)
	switch {
	case !errors.Is(err, control.ErrNotRunning):
		return e, err
	case !isDir(layout.State(rootcheck.Name)):
		return e, rootcheck.ErrUnknownFinding
	case withdraw:
		return store.Withdraw(ctx, req.ID)
	}
	return store.Accept(ctx, req.ID, req.Note)
}

func (p *program) rootcheckChecks() *cobra.Command {
	return &cobra.Command{
		Use:   "checks",
		Short: "List the checks, and what each needs",
		Long: `List the checks: the name that --scan-now takes and that <check_NAME>no</check_NAME>
switches off, what it looks for, and the capabilities that it needs.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.printChecks(rootcheck.Checks(paths.Layout{})) },
	}
}

// checkInfo is a check in JSON.
type checkInfo struct {
	Name  string       `json:"name"`
	Group string       `json:"group"`
	Title string       `json:"title"`
	Live  bool         `json:"live"` // not for images
	OptIn bool         `json:"opt_in"`
	Needs []check.Need `json:"needs,omitempty"`
}

func (p *program) printChecks(checks []check.Check) error {
	if p.format == "json" {
		out := json.NewEncoder(p.stdout)
		for _, c := range checks {
			if err := out.Encode(checkInfo{c.Name, string(c.Group), c.Title, c.Live, c.OptIn, c.Needs}); err != nil {
				return err
			}
		}
		return nil
	}
	w := newTable(p.stdout)
	for _, c := range checks {
		var caps []string
		for _, n := range c.Needs {
			caps = append(caps, strings.TrimPrefix(n.Cap, "CAP_"))
		}
		title := c.Title
		if c.OptIn {
			title += " (only when named)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, title, strings.Join(caps, " "))
	}
	return w.Flush()
}

// paragraph wraps text at width columns below a label.
func paragraph(w io.Writer, label, text string, width int) {
	line := ""
	flush := func() {
		if line != "" {
			fmt.Fprintf(w, "%s%s\n", label, line)
			label, line = strings.Repeat(" ", len(label)), ""
		}
	}
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	flush()
}
