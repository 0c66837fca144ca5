// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hids/modules/execd"
	"hids/platform/control"
)

const execdModule = "execd"

func (p *program) execdCommand() *cobra.Command {
	s := &service{}
	cmd := &cobra.Command{
		Use:   "execd",
		Short: "Carry out active responses, and undo them in time",
		Long: `Execd takes requests from OSSEC's or Wazuh's manager and runs the program that
etc/shared/ar.conf names for each. What has a timeout is undone when it is over,
whatever happens to execd or the machine meanwhile.

The commands below ask the running daemon.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serveModule(cmd.Context(), s, execdModule) },
	}
	s.addFlags(cmd)
	cmd.AddCommand(p.execdList(), p.execdAdd(), p.execdDelete())
	return cmd
}

func (p *program) execdList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what is blocked now, since when, until when and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer execd.Blocks
			if err := p.askExecd(cmd.Context(), http.MethodGet, nil, &answer); err != nil {
				return err
			}
			if p.format == "json" {
				return p.printJSON(answer)
			}
			p.printBlocks(answer.Blocks)
			return nil
		},
	}
}

func (p *program) printBlocks(blocks []execd.Block) {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tRESPONSE\tTARGET\tSINCE\tUNTIL\tREQUESTS\tWHY\tSTATE")
	for _, b := range blocks {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", b.ID, oneLine(b.Name), oneLine(targetOf(b)),
			b.Since.Local().Format(time.DateTime), b.Until.Local().Format(time.DateTime), b.Count, oneLine(whyOf(b)), b.State)
	}
	_ = w.Flush()
}

func targetOf(b execd.Block) string {
	switch {
	case b.User != "" && b.IP != "":
		return b.User + "@" + b.IP
	case b.User != "":
		return b.User
	case b.IP != "":
		return b.IP
	}
	return "-"
}

// whyOf is the rule on the manager, or who asked for it by hand.
func whyOf(b execd.Block) string {
	if b.Rule != "" && strings.Trim(b.Rule, "0123456789") == "" {
		return "rule " + b.Rule
	}
	return b.By
}

func (p *program) execdAdd() *cobra.Command {
	var (
		lasts time.Duration
		dry   bool
	)
	cmd := &cobra.Command{
		Use:   "add NAME IP|USER...",
		Short: "Run a response for an address or an account",
		Long: `Run a response as if the manager had asked for it: it is undone after the timeout
of ar.conf, or after --for. NAME is a name in ar.conf, with or without the timeout
at its end, or one of the built-in responses. Who may never be blocked is not.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			change := execd.Change{Name: args[0], DryRun: dry}
			if cmd.Flags().Changed("for") {
				seconds := lasts.Seconds()
				change.Timeout = &seconds
			}
			return p.changeBlocks(cmd.Context(), http.MethodPost, change, args[1:])
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "undo it after this time; 0 never undoes it, and it is not listed")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func (p *program) execdDelete() *cobra.Command {
	var (
		id  uint64
		dry bool
	)
	cmd := &cobra.Command{
		Use:   "delete NAME IP|USER... | delete --id ID",
		Short: "Undo a response before its time",
		Long: `Undo a response before its time. What is not in the list, because it had no
timeout, is undone as well: its program is run with delete.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case id != 0 && len(args) > 0:
				return usageError("give a name and targets, or --id, but not both")
			case id == 0 && len(args) < 2:
				return usageError("name the response and an address or account, or give --id")
			case id != 0:
				return p.changeBlocks(cmd.Context(), http.MethodDelete, execd.Change{ID: id, DryRun: dry}, []string{""})
			}
			return p.changeBlocks(cmd.Context(), http.MethodDelete, execd.Change{Name: args[0], DryRun: dry}, args[1:])
		},
	}
	cmd.Flags().Uint64Var(&id, "id", 0, "the block with this number in the list")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

// changeBlocks asks for one change after the other, and tells of each.
func (p *program) changeBlocks(ctx context.Context, method string, c execd.Change, targets []string) error {
	outcomes := []execd.Outcome{}
	refused := 0
	for _, target := range targets {
		c.IP, c.User = "", ""
		if _, err := netip.ParseAddr(target); err == nil {
			c.IP = target
		} else {
			c.User = target
		}
		var out execd.Outcome
		if err := p.askExecd(ctx, method, c, &out); err != nil {
			return err
		}
		if out.Action == "refuse" {
			refused++
		}
		outcomes = append(outcomes, out)
		if p.format != "json" {
			p.printOutcome(c, out, target)
		}
	}
	if p.format == "json" {
		if err := p.printJSON(outcomes); err != nil {
			return err
		}
	}
	if refused > 0 {
		return exitWith(exitPartial)
	}
	return nil
}

func (p *program) printOutcome(c execd.Change, out execd.Outcome, target string) {
	if target == "" {
		target = fmt.Sprintf("block %d", c.ID)
	}
	would := ""
	if c.DryRun {
		would = "would "
	}
	fmt.Fprintf(p.stdout, "%s: %s%s", oneLine(target), would, out.Action)
	if out.Reason != "" {
		fmt.Fprintf(p.stdout, ": %s", oneLine(out.Reason))
	}
	for _, b := range out.Blocks {
		fmt.Fprintf(p.stdout, "  %s %s until %s", oneLine(b.Name), oneLine(targetOf(b)), b.Until.Local().Format(time.DateTime))
	}
	if c.DryRun && len(out.Argv) > 0 {
		fmt.Fprintf(p.stdout, "  %s", oneLine(strings.Join(out.Argv, " ")))
	}
	fmt.Fprintln(p.stdout)
}

// askExecd asks the running daemon about blocks.
func (p *program) askExecd(ctx context.Context, method string, in, out any) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err = control.NewClient(layout.ControlSocket(execdModule)).Do(ctx, method, "/blocks", in, out)
	refusal, refused := errors.AsType[*control.StatusError](err)
	switch {
	case err == nil:
		return nil
	case refused && refusal.Code == http.StatusBadRequest:
		return failWith(exitUsage, refusal)
	case refused:
		return failWith(exitPartial, refusal)
	}
	return failWith(exitUnreachable, err, `start it with "hids run", or name the installation with --home`)
}
