// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hids/modules/event"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/session"
)

func (p *program) syscheckListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PATH...]",
		Short: "List what differs from the accepted state, as of the last scan",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSession(cmd.Context(), session.Read, args, func(s *session.Session, paths []string) error {
				totals, err := p.printDifferences(s, paths)
				if err != nil {
					return err
				}
				if totals.Differences() > 0 {
					return exitWith(exitDiffers)
				}
				return nil
			})
		},
	}
}

func (p *program) syscheckAcceptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "accept [PATH...]",
		Short: "Take what was seen at the last scan as it should be",
		Long: `Accept ends the reports of what differs: of the paths and what is below them, or
of everything. It takes what the last scan saw, which is what list shows; what
changed since then is told by the next scan.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSession(cmd.Context(), session.Write, args, func(s *session.Session, paths []string) error {
				n, err := s.Accept(paths)
				if err != nil {
					return err
				}
				return p.printAccepted(n)
			})
		},
	}
}

func (p *program) printAccepted(n int64) error {
	if p.format == "json" {
		return json.NewEncoder(p.stdout).Encode(map[string]int64{"accepted": n})
	}
	text := "accepted " + report.Count(n) + " changes"
	switch n {
	case 0:
		text = "nothing to accept"
	case 1:
		text = "accepted 1 change"
	}
	_, err := fmt.Fprintln(p.stdout, text)
	return err
}

func (p *program) syscheckShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show PATH",
		Short: "Show what is known of one path",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSession(cmd.Context(), session.Read, args, func(s *session.Session, paths []string) error {
				e, err := s.Lookup(paths[0])
				if err != nil {
					return baselineError(err)
				}
				return p.printEntry(s, e)
			})
		},
	}
}

// shown is the JSON of show.
type shown struct {
	Path     string      `json:"path"`
	Seen     *event.File `json:"seen"`     // null: it was not there at the last scan
	Accepted *event.File `json:"accepted"` // null: it is not to be there
	Changed  []string    `json:"changed,omitempty"`
}

func (p *program) printEntry(s *session.Session, e session.Entry) error {
	differs := e.Change != nil
	if p.format == "json" {
		out := shown{Path: event.SafeText(e.Path), Seen: ecs(s, e.Path, e.Seen), Accepted: ecs(s, e.Path, e.Accepted)}
		if differs {
			for _, f := range e.Change.Fields {
				out.Changed = append(out.Changed, f.Name)
			}
		}
		if err := json.NewEncoder(p.stdout).Encode(out); err != nil {
			return err
		}
	} else if err := p.printRecord(s, e); err != nil {
		return err
	}
	if differs {
		return exitWith(exitDiffers)
	}
	return nil
}

func ecs(s *session.Session, path string, r *record.Record) *event.File {
	if r == nil {
		return nil
	}
	return report.File(path, r, s.Names())
}

func (p *program) printRecord(s *session.Session, e session.Entry) error {
	fmt.Fprintln(p.stdout, event.SafeText(e.Path))
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	r := e.Seen
	if r == nil {
		r = e.Accepted
	}
	for _, row := range report.Rows(r, s.Names()) {
		fmt.Fprintf(table, "  %s\t%s\n", row.Name, row.Value)
	}
	state := "accepted"
	if e.Change != nil {
		state = string(e.Change.Action) + ", not accepted: " + report.Detail(e.Change, s.Names())
	}
	fmt.Fprintf(table, "  state\t%s\n", state)
	return table.Flush()
}

func (p *program) syscheckExportCommand() *cobra.Command {
	as := "json"
	cmd := &cobra.Command{
		Use:   "export [PATH...]",
		Short: "Write the baseline for other tools",
		Long: `Export writes what the last scan saw, in the order of the walk:

  --as json       one object a line, with the field names of ECS file.*
  --as mtree      mtree(5): hids syscheck export --as mtree | mtree -p /
  --as sha256sum  regular files: hids syscheck export --as sha256sum | sha256sum -c --quiet`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(report.ExportFormats(), as) {
				return usageError("--as is %q, but can be %s only", as, strings.Join(report.ExportFormats(), ", "))
			}
			return p.withSession(cmd.Context(), session.Read, args, func(s *session.Session, paths []string) error {
				return p.export(s, paths, as)
			})
		},
	}
	cmd.Flags().StringVar(&as, "as", as, "format: "+strings.Join(report.ExportFormats(), ", "))
	return cmd
}

func (p *program) export(s *session.Session, paths []string, as string) error {
	out := bufio.NewWriter(p.stdout)
	e, err := report.NewExporter(as, out, s.Names())
	if err != nil {
		return err
	}
	if err := s.Each(paths, e.Write); err != nil {
		return err
	}
	return out.Flush()
}
