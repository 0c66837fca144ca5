// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hids/config"
	"hids/modules/all"
	"hids/modules/event"
	"hids/modules/supervisor"
	"hids/modules/syscheckd"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/takeover"
	"hids/platform/trust"
)

// adoption is one run of hids adopt.
type adoption struct {
	p       *program
	layout  paths.Layout
	program string // that the links lead to

	apply, undo bool
}

func (p *program) adoptCommand() *cobra.Command {
	a := &adoption{p: p}
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Take the place of the execd and syscheckd of an installed OSSEC or Wazuh 3.x",
		Long: `Take the place of the execd and syscheckd of an installed OSSEC or Wazuh 3.x.
Without --apply it only says what it would do. Each daemon stays beside the link
that takes its place, as bin/ossec-execd.ossec, and --undo puts it back. Nothing
else of OSSEC is changed, and nothing is started or stopped.

The configuration must be good, and nothing is done otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&a.apply, "apply", false, "do it")
	cmd.Flags().BoolVar(&a.undo, "undo", false, "put OSSEC's own daemons back")
	return cmd
}

// adopted is the answer of hids adopt.
type adopted struct {
	takeover.Installation
	SumFields int             `json:"sum_fields,omitempty"` // sent of each file to the manager
	Daemons   []adoptedDaemon `json:"daemons"`
}

type adoptedDaemon struct {
	Path   string         `json:"path"`
	Before takeover.State `json:"before"`
	After  takeover.State `json:"after"` // for a dry run, what it would be
}

func (a *adoption) run(ctx context.Context) error {
	if a.apply && a.undo {
		return usageError("--apply and --undo are opposites")
	}
	answer, err := a.examine()
	if err != nil {
		return err
	}
	if !a.undo {
		if err := a.check(ctx, answer); err != nil {
			return err
		}
	}
	if a.apply || a.undo {
		if err := a.change(answer); err != nil {
			return failWith(exitPartial, err, "what was done before that was undone; run it again when the cause is gone")
		}
	}
	return a.tell(answer)
}

// examine finds the installation and what is in the places of its daemons.
func (a *adoption) examine() (*adopted, error) {
	var err error
	if a.p.home == "" && os.Getenv("HIDS_HOME") == "" {
		a.p.home = takeover.HomeOf(paths.Host{})
	}
	if a.layout, err = a.p.layout(); err != nil {
		return nil, err
	}
	if a.program, err = ownProgram(); err != nil {
		return nil, err
	}
	answer := &adopted{}
	answer.Installation, err = takeover.Find(paths.Host{}, a.layout.Home)
	if errors.Is(err, takeover.ErrNone) {
		return nil, failWith(exitUsage, err, "name its folder with --home DIR; without an OSSEC there is nothing to adopt")
	}
	if err != nil {
		return nil, err
	}
	for _, d := range ossecDaemons() {
		found, err := a.look(a.layout.Join("bin", d.name))
		if err != nil {
			return nil, failWith(exitUsage, err)
		}
		answer.Daemons = append(answer.Daemons, found)
	}
	return answer, nil
}

func (a *adoption) look(path string) (adoptedDaemon, error) {
	d := adoptedDaemon{Path: path, After: takeover.Ours}
	if a.undo {
		d.After = takeover.Theirs
	}
	var err error
	d.Before, err = takeover.Look(path, a.program)
	switch {
	case err != nil:
		return d, err
	case d.Before == takeover.Missing && !a.undo:
		return d, fmt.Errorf("%s is not there: this is neither OSSEC nor Wazuh 3.x", path)
	case d.Before == takeover.Missing:
		d.After = takeover.Missing
	case d.Before == takeover.Orphan && a.undo:
		return d, fmt.Errorf("%s is not there: install OSSEC again", path+takeover.Kept)
	}
	return d, nil
}

// ownProgram is this program, which must be one that root can run.
func ownProgram() (string, error) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	fi, err := os.Stat(path)
	if err == nil {
		err = trust.Executable(fi)
	}
	if err != nil {
		return "", failWith(exitUsage, fmt.Errorf("root's daemons can't be this program: %w", err))
	}
	return path, nil
}

// check holds what the daemons will do at their start against what is there.
func (a *adoption) check(ctx context.Context, answer *adopted) error {
	cfg, err := a.p.loadConfig(ctx, a.layout)
	if err != nil {
		return err
	}
	answer.SumFields = syscheckd.SumFields(cfg, paths.Host{})
	log := slog.New(logging.NewHandler(logging.NewOutput(io.Discard, a.p.stderr), logging.Options{Name: "hids adopt"}))
	for _, d := range ossecDaemons() {
		err := supervisor.Check(supervisor.Options{
			Name: d.name, Modules: all.Named(d.modules...), Layout: a.layout, OSSEC: true, Log: log,
			Load: func() (*config.Config, error) { return cfg, nil },
		})
		if err != nil {
			return failWith(exitUsage, fmt.Errorf("%s would not start: %w", d.name, err))
		}
	}
	return nil
}

// change does it for all daemons, or for none.
func (a *adoption) change(answer *adopted) error {
	do, back := takeover.Replace, takeover.Restore
	if a.undo {
		do, back = back, do
	}
	for i, d := range answer.Daemons {
		if d.Before == d.After {
			continue
		}
		err := do(d.Path, a.program)
		if err == nil {
			continue
		}
		for _, done := range answer.Daemons[:i] {
			if done.Before != done.After {
				err = errors.Join(err, back(done.Path, a.program))
			}
		}
		return err
	}
	return nil
}

func (a *adoption) tell(answer *adopted) error {
	if a.p.format == "json" {
		return json.NewEncoder(a.p.stdout).Encode(answer)
	}
	out := a.p.stdout
	fmt.Fprintf(out, "%s %s %s in %s\n", event.SafeText(answer.Name), event.SafeText(answer.Version),
		event.SafeText(answer.Type), event.SafeText(answer.Home))
	if answer.SumFields != 0 {
		fmt.Fprintf(out, "the configuration is good; the manager is sent %d sums of a file, as before\n", answer.SumFields)
	}
	changes := false
	for _, d := range answer.Daemons {
		changes = changes || d.Before != d.After
		fmt.Fprintln(out, a.sentence(d))
	}
	switch {
	case !changes:
		fmt.Fprintln(out, "nothing is to be done")
	case a.apply || a.undo:
		fmt.Fprintf(out, "what runs is not changed yet; do that with: %s restart\n", event.SafeText(answer.Control))
	default:
		fmt.Fprintln(out, "nothing was changed; do it with: hids adopt --apply")
	}
	return nil
}

func (a *adoption) sentence(d adoptedDaemon) string {
	path := event.SafeText(d.Path)
	switch {
	case d.Before == takeover.Missing:
		return path + " is not there"
	case d.Before == d.After && a.undo:
		return path + " is OSSEC's own"
	case d.Before == d.After:
		return path + " is hids already"
	case a.undo:
		return path + " is OSSEC's own again"
	case a.apply:
		return fmt.Sprintf("%s is hids now; OSSEC's own is %s", path, path+takeover.Kept)
	}
	return fmt.Sprintf("%s would become a link to %s, and OSSEC's own %s", path, event.SafeText(a.program), path+takeover.Kept)
}
