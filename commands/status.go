// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hids/modules/doctor"
	"hids/modules/event"
	"hids/modules/supervisor"
	"hids/platform/control"
	"hids/platform/metrics"
	"hids/platform/paths"
)

// askTimeout is how long a daemon may take to say how it is.
const askTimeout = 10 * time.Second

func (p *program) statusCommand() *cobra.Command {
	var numbers bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what runs, as whom, since when, and what each module has to tell",
		Long: `Say what runs, as whom, since when, and what each module has to tell: scans,
files, watches, what waits for OSSEC's manager, active blocks. What is wrong comes
last, with what to type; "hids doctor" looks further. Exit code 4 if nothing runs.

With --metrics it prints the same numbers for Prometheus, which are also on the
control socket: GET /metrics.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if numbers {
				return p.metrics(cmd.Context())
			}
			return p.status(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&numbers, "metrics", false, "print numbers in the text format of Prometheus")
	return cmd
}

func (p *program) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the running daemons read the configuration again",
		Long: `Make the running daemons read the configuration again. One with a fault is
refused, and the old one stays in force; the fault is told, with exit code 2.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.reload(cmd.Context()) },
	}
}

// supervisorSockets returns the control sockets of the installation's
// supervisors: one with all modules, or one per module.
func (p *program) supervisorSockets() ([]string, paths.Layout, error) {
	layout, err := p.layout()
	if err != nil {
		return nil, layout, err
	}
	dir := filepath.Dir(layout.ControlSocket("supervisor"))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, layout, failWith(exitUnreachable, err, "run this as root or as a member of the group of hids")
	}
	var socks []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "supervisor") && strings.HasSuffix(e.Name(), ".sock") {
			socks = append(socks, filepath.Join(dir, e.Name()))
		}
	}
	return socks, layout, nil
}

// statusAnswer is a supervisor's status with that of its modules.
type statusAnswer struct {
	supervisor.Status
	Details map[string]json.RawMessage `json:"details"` // what each running module tells
	Faults  []doctor.Finding           `json:"faults"`  // of the whole installation; with the first answer only
}

func (p *program) status(ctx context.Context) error {
	socks, layout, err := p.supervisorSockets()
	if err != nil {
		return err
	}
	answers := []statusAnswer{}
	var faults []error
	for _, s := range socks {
		a, err := askStatus(ctx, s, layout)
		switch {
		case errors.Is(err, control.ErrNotRunning): // left by one that was killed
		case err != nil:
			faults = append(faults, err)
		default:
			answers = append(answers, *a)
		}
	}
	if len(answers) == 0 {
		return notRunning(layout, faults)
	}
	if answers[0].Faults, err = p.statusFaults(ctx, layout); err != nil {
		return err
	}
	if p.format == "json" {
		return errors.Join(append(faults, p.printJSON(answers))...)
	}
	for i := range answers {
		p.printStatus(&answers[i])
	}
	if len(answers[0].Faults) > 0 {
		fmt.Fprintln(p.stdout)
		p.printFindings(answers[0].Faults)
	}
	return errors.Join(faults...)
}

// statusFaults is what the doctor finds wrong with what runs.
func (p *program) statusFaults(ctx context.Context, layout paths.Layout) ([]doctor.Finding, error) {
	patient, err := p.patient(ctx, layout)
	if err != nil {
		return nil, err
	}
	found := doctor.Examine(ctx, patient, "service", "modules", "queue", "watches", "files")
	return slices.DeleteFunc(found, func(f doctor.Finding) bool { return f.Level == doctor.OK }), nil
}

// metrics prints the numbers of every supervisor and of its modules.
func (p *program) metrics(ctx context.Context) error {
	socks, layout, err := p.supervisorSockets()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var all metrics.Set
	answered := false
	var faults []error
	for _, s := range socks {
		err := readMetrics(ctx, s, &all)
		switch {
		case errors.Is(err, control.ErrNotRunning):
		case err != nil:
			faults = append(faults, err)
		default:
			answered = true
		}
	}
	if !answered {
		return notRunning(layout, faults)
	}
	return errors.Join(append(faults, all.Write(p.stdout))...)
}

func readMetrics(ctx context.Context, socket string, into *metrics.Set) error {
	body, err := control.NewClient(socket).Stream(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return into.Read(io.LimitReader(body, control.MaxBody))
}

func notRunning(layout paths.Layout, faults []error) error {
	err := errors.Join(faults...)
	if err == nil {
		err = fmt.Errorf("%w in %s", control.ErrNotRunning, layout.Home)
	}
	return failWith(exitUnreachable, err, `start it with "hids run", or name the installation with --home`)
}

func askStatus(ctx context.Context, socket string, layout paths.Layout) (*statusAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a := &statusAnswer{Details: map[string]json.RawMessage{}}
	if err := control.NewClient(socket).Get(ctx, "/status", &a.Status); err != nil {
		return nil, err
	}
	for _, m := range a.Modules {
		if m.State != supervisor.StateRunning {
			continue
		}
		var detail json.RawMessage
		err := control.NewClient(layout.ControlSocket(m.Name)).Get(ctx, "/status", &detail)
		if err != nil {
			detail, _ = json.Marshal(map[string]string{"error": err.Error()})
		}
		a.Details[m.Name] = detail
	}
	return a, nil
}

func (p *program) printStatus(a *statusAnswer) {
	c := p.palette()
	fmt.Fprintf(p.stdout, "%s%s%s  pid %d, up %s, in %s\n", c.bold, a.Name, c.reset, a.PID, since(a.Started), a.Home)
	if a.Reload.Error != "" {
		fmt.Fprintf(p.stdout, "%slast reload refused%s %s ago: %s\n", c.red, c.reset, since(a.Reload.Time), oneLine(a.Reload.Error))
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODULE\tSTATE\tPID\tUP\tRESTARTS\tUSER\tCAPABILITIES")
	for _, m := range a.Modules {
		pid, up := "-", "-"
		if m.PID != 0 {
			pid, up = strconv.Itoa(m.PID), since(m.Since)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s:%s\t%s\n", m.Name, m.State, pid, up, m.Restarts, m.User, m.Group, strings.Join(m.Capabilities, " "))
	}
	_ = w.Flush()
	for _, m := range a.Modules {
		if m.LastExit != "" {
			fmt.Fprintf(p.stdout, "%s%s%s ended before: %s\n", c.yellow, m.Name, c.reset, oneLine(m.LastExit))
		}
		p.printDetail(m.Name, a.Details[m.Name])
	}
}

// oneLine is text of the daemon's for a terminal.
func oneLine(s string) string { return event.SafeText(s) }

// since is how long ago t was, short.
func since(t time.Time) string {
	d := time.Since(t).Truncate(time.Second)
	if d >= 48*time.Hour {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return d.String()
}

func (p *program) reload(ctx context.Context) error {
	socks, layout, err := p.supervisorSockets()
	if err != nil {
		return err
	}
	// A module may take its time with a new configuration; nobody hangs here.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	reached := false
	for _, s := range socks {
		err := control.NewClient(s).Post(ctx, "/reload", nil, nil)
		if errors.Is(err, control.ErrNotRunning) {
			continue
		}
		if refused, ok := errors.AsType[*control.StatusError](err); ok {
			return failWith(exitUsage, refused, `"hids config check" shows every fault`)
		}
		if err != nil {
			return failWith(exitUnreachable, err)
		}
		reached = true
	}
	if !reached {
		return notRunning(layout, nil)
	}
	return nil
}
