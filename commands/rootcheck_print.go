// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hids/modules/event"
	"hids/modules/rootcheck"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/policy"
	"hids/platform/hostfile"
	"hids/platform/paths"
)

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// printReport prints findings, by check in the order of checks. Those that are
// accepted are shown if all is set.
func (p *program) printReport(r *rootcheck.Report, all bool) error {
	if p.format == "json" {
		return p.printEvents(r)
	}
	var out bytes.Buffer
	colours := p.palette()
	for _, c := range rootcheck.Checks(paths.Layout{}) {
		printed := false
		for i := range r.Entries {
			e := &r.Entries[i]
			if e.Check != c.Name || !all && (e.Accepted != nil || e.Missed > 0) {
				continue
			}
			if !printed {
				fmt.Fprintf(&out, "%s%s%s: %s\n", colours.bold, c.Name, colours.reset, c.Title)
				printed = true
			}
			printFinding(&out, e, colours)
		}
		if printed {
			fmt.Fprintln(&out)
		}
	}
	_, err := p.stdout.Write(out.Bytes())
	return err
}

func (p *program) printEvents(r *rootcheck.Report) error {
	out := json.NewEncoder(p.stdout)
	out.SetEscapeHTML(false)
	host, _ := os.Hostname()
	for i := range r.Entries {
		if err := out.Encode(r.Entries[i].Event(host, "finding", r.Trigger, r.End)); err != nil {
			return err
		}
	}
	return nil
}

const textWidth = 92

func printFinding(w io.Writer, e *rootcheck.Entry, colours palette) {
	colour := map[check.Kind]string{check.Rootkit: colours.red, check.Suspicious: colours.yellow, check.Policy: colours.cyan}[e.Kind]
	mark := string(e.Kind)
	if e.Accepted != nil {
		colour, mark = colours.green, "accepted"
	}
	fmt.Fprintf(w, "  %s%s%s %s\n", colour, mark, colours.reset, e.ID)
	fmt.Fprintf(w, "    %s\n", e.Title)
	paragraph(w, "      why:   ", e.Why, textWidth)
	paragraph(w, "      look:  ", e.Advice, textWidth)
	var facts []string
	for _, key := range slices.Sorted(maps.Keys(e.Evidence)) {
		facts = append(facts, key+"="+event.SafeText(e.Evidence[key]))
	}
	paragraph(w, "      facts: ", strings.Join(facts, " "), textWidth)
	if e.Missed > 0 {
		fmt.Fprintf(w, "      not seen since %s, but not everything could be looked at\n", e.LastSeen.Format(time.DateTime))
	}
	if e.Accepted != nil {
		fmt.Fprintf(w, "      accepted %s %s\n", e.Accepted.Time.Format(time.DateTime), event.SafeText(e.Accepted.Note))
	}
}

func (p *program) rootcheckPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work with policy files",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var host string
	checkCmd := &cobra.Command{
		Use:   "check [flags] FILE",
		Short: "Read a policy, name its faults, and answer each of its rules",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.checkPolicy(cmd.Context(), args[0], host)
		},
	}
	checkCmd.Flags().StringVar(&host, "host", "", "ask the system mounted at this folder instead of this machine")
	cmd.AddCommand(checkCmd)
	return cmd
}

// checkPolicy exits with 2 when the policy has faults, 1 when a rule fails.
func (p *program) checkPolicy(ctx context.Context, file, host string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return failWith(exitUsage, fmt.Errorf("read policy: %w", err))
	}
	pol := policy.Parse(file, data)
	broken := p.printPolicyFaults(pol)
	files, err := hostfile.New(host)
	if err != nil {
		return err
	}
	defer files.Close()
	results, err := policy.Evaluate(ctx, pol, rootcheck.PolicyTarget(files, paths.Host{Root: host}, false))
	if err != nil {
		return err
	}
	if err := p.printResults(pol, results); err != nil {
		return err
	}
	score := policy.Count(results)
	switch {
	case broken:
		return exitWith(exitUsage)
	case score.Fail > 0:
		return exitWith(exitDiffers)
	case score.Unknown > 0:
		return exitWith(exitPartial)
	}
	return nil
}

func (p *program) printPolicyFaults(pol *policy.Policy) (broken bool) {
	for _, f := range pol.Faults {
		kind := "error"
		if f.Warn {
			kind = "warning"
		} else {
			broken = true
		}
		fmt.Fprintf(p.stderr, "%s:%d: %s: %s\n", event.SafeText(f.File), f.Line, kind, event.SafeText(f.Text))
		if f.Hint != "" {
			fmt.Fprintf(p.stderr, "hint: %s\n", event.SafeText(f.Hint))
		}
	}
	return broken
}

// ruleResult is a result in JSON.
type ruleResult struct {
	Rule      string   `json:"rule"`
	Outcome   string   `json:"outcome"`
	Line      int      `json:"line"`
	Reference string   `json:"reference,omitempty"`
	Details   []string `json:"details,omitempty"`
	Reason    string   `json:"reason,omitempty"`
}

func (p *program) printResults(pol *policy.Policy, results []policy.Result) error {
	out := json.NewEncoder(p.stdout)
	table := newTable(p.stdout)
	for _, r := range results {
		v := ruleResult{
			Rule: event.SafeText(r.Rule.Name), Outcome: string(r.Outcome), Line: r.Rule.Line,
			Reference: event.SafeText(r.Rule.Reference), Reason: event.SafeText(r.Reason),
		}
		for _, d := range r.Details {
			v.Details = append(v.Details, event.SafeText(d.Text))
		}
		if p.format == "json" {
			if err := out.Encode(v); err != nil {
				return err
			}
			continue
		}
		why := strings.Join(v.Details, ", ")
		if why == "" {
			why = v.Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", v.Outcome, v.Rule, why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	p.printScore(pol, policy.Count(results))
	return nil
}

func (p *program) printScore(pol *policy.Policy, s policy.Score) {
	text := fmt.Sprintf("%s: %d pass, %d fail, %d not applicable, %d unknown", event.SafeText(pol.File), s.Pass, s.Fail, s.NotApplicable, s.Unknown)
	if percent, ok := s.Percent(); ok {
		text += fmt.Sprintf("; score %d %%", percent)
	}
	fmt.Fprintln(p.stderr, text)
}
