// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hids/config"
	"hids/modules/all"
	"hids/modules/doctor"
	"hids/modules/event"
	"hids/platform/command"
	"hids/platform/paths"
)

func (p *program) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [CHECK...]",
		Short: "Look for what keeps hids from working, and say what to type",
		Long: `Look for what keeps hids from working, and say what to type. One line a
finding: ok, warning (hids works and sees or does less) or problem (it does not
do what it is configured to do, or can be abused). Nothing is changed.

Without names every check is made:
  ` + strings.Join(doctor.Checks(), "\n  ") + `

A problem ends it with exit code 1; what could not be examined, as by a user who
is not root, with 3.`,
		ValidArgs: doctor.Checks(),
		Args:      cobra.OnlyValidArgs,
		RunE:      func(cmd *cobra.Command, args []string) error { return p.doctor(cmd.Context(), args) },
	}
}

// patient is the installation as the doctor examines it.
func (p *program) patient(ctx context.Context, layout paths.Layout) (doctor.Patient, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return doctor.Patient{}, fmt.Errorf("find this program: %w", err)
	}
	cfg, faults := config.Load(ctx, p.configOptions(layout))
	answer := checkAnswer{Faults: faults}
	if cfg != nil {
		checkFolders(cfg, &answer)
	}
	p.checkResponses(layout, &answer)
	return doctor.Patient{
		Layout: layout, Config: cfg, Faults: answer.Faults, Modules: all.List(),
		Program: self, Run: command.Run, Now: time.Now(),
	}, nil
}

func (p *program) doctor(ctx context.Context, names []string) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	patient, err := p.patient(ctx, layout)
	if err != nil {
		return err
	}
	findings := doctor.Examine(ctx, patient, names...)
	if p.format == "json" {
		err = p.printJSON(findings)
	} else {
		p.printFindings(findings)
	}
	if err != nil {
		return err
	}
	has := func(f func(doctor.Finding) bool) bool { return slices.ContainsFunc(findings, f) }
	switch {
	case has(func(f doctor.Finding) bool { return f.Level == doctor.Problem }):
		return exitWith(exitDiffers)
	case has(func(f doctor.Finding) bool { return f.Unchecked }):
		return exitWith(exitPartial)
	}
	return nil
}

// printFindings prints one line a finding, and below it what to type.
func (p *program) printFindings(findings []doctor.Finding) {
	c := p.palette()
	colour := map[doctor.Level]string{doctor.OK: c.green, doctor.Warning: c.yellow, doctor.Problem: c.red}
	for _, f := range findings {
		fmt.Fprintf(p.stdout, "%s%-7s%s  %s: %s\n", colour[f.Level], f.Level, c.reset, f.Check, event.SafeText(f.Message))
		if f.Fix != "" {
			fmt.Fprintf(p.stdout, "         hint: %s\n", event.SafeText(f.Fix))
		}
	}
}
