// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hids/modules/syscheckd/operate"
	"hids/modules/syscheckd/report"
)

func (p *program) syscheckCommand() *cobra.Command {
	var now bool
	s := &service{}
	cmd := &cobra.Command{
		Use:   "syscheck [flags] [PATH]...",
		Short: "Watch files for changes",
		Long: `Compare files with what they were, as a daemon, when it is time to and when
something changes.

With --scan-now files are compared once, by the daemon where one runs. The first
scan makes the baseline; each later one tells what differs from it, until that
is accepted. With paths only they and what is below them are looked at.

In the answer + is a file that was added, - one that was deleted, > one that
was moved, ~ one that was changed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && !now:
				return usageError("%q is no command of syscheck; to scan it add --scan-now", args[0])
			case !now:
				return p.serveModule(cmd.Context(), s, syscheckModule)
			}
			return p.operate(cmd.Context(), operate.Request{Verb: operate.Scan, Format: p.format}, args)
		},
	}
	s.addFlags(cmd)
	cmd.Flags().BoolVar(&now, "scan-now", false, "scan once, in the foreground, and tell what differs")
	cmd.AddCommand(p.syscheckList(), p.syscheckAccept(), p.syscheckShow(), p.syscheckExport())
	return cmd
}

func (p *program) syscheckList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PATH...]",
		Short: "List what differs from the accepted state, as of the last scan",
		Long: `List what differs from the accepted state, as of the last scan; no file is read.
In the list + was added, - deleted, > moved, ~ changed. Exit code 1 if there is
anything.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.operate(cmd.Context(), operate.Request{Verb: operate.List, Format: p.format}, args)
		},
	}
}

func (p *program) syscheckAccept() *cobra.Command {
	return &cobra.Command{
		Use:   "accept [PATH...]",
		Short: "Take what was seen at the last scan as it should be",
		Long: `Accept ends the reports of what differs: of the paths and what is below them, or
of everything. It takes what the last scan saw, which is what list shows; what
changed since then is told by the next scan.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.operate(cmd.Context(), operate.Request{Verb: operate.Accept, Format: p.format}, args)
		},
	}
}

func (p *program) syscheckShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show PATH",
		Short: "Show what is known of one path",
		Long: `Show what the last scan saw of a path, and what was accepted where that is
something else: then the exit code is 1. Sizes are bytes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.operate(cmd.Context(), operate.Request{Verb: operate.Show, Format: p.format}, args)
		},
	}
}

func (p *program) syscheckExport() *cobra.Command {
	as := "json"
	cmd := &cobra.Command{
		Use:   "export [PATH...]",
		Short: "Write the baseline for other tools",
		Long: `Export writes what the last scan saw, in the order of the walk:

  --as json       one object a line, with the field names of ECS file.*
  --as mtree      mtree(5)
  --as sha256sum  regular files, for sha256sum --check`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(report.ExportFormats(), as) {
				return usageError("--as is %q, but can be %s only", as, strings.Join(report.ExportFormats(), ", "))
			}
			return p.operate(cmd.Context(), operate.Request{Verb: operate.Export, Format: as}, args)
		},
	}
	cmd.Flags().StringVar(&as, "as", as, "format: "+strings.Join(report.ExportFormats(), ", "))
	return cmd
}
