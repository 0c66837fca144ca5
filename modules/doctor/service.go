// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"hids/modules"
	"hids/platform/paths"
	"hids/platform/privdrop"
	"hids/platform/proc"
	"hids/platform/takeover"
)

// unit is the name of the service.
const unit = "hids.service"

// serviceState says whether a daemon runs, and whether it will after a boot.
func serviceState(ctx context.Context, e *examination) []Finding {
	var found []Finding
	for _, err := range e.deaf {
		found = append(found, unchecked(err))
	}
	if len(e.daemons) == 0 && len(found) == 0 && e.wanted() {
		found = append(found, problem(e.control("start"), "no daemon runs in %s", e.Layout.Home))
	}
	for _, d := range e.daemons {
		if d.Reload.Error != "" {
			found = append(found, problem("hids config check, then hids reload",
				"%s keeps an old configuration: the last reload was refused: %s", d.Name, d.Reload.Error))
		}
	}
	found = append(found, e.unit(ctx)...)
	if len(e.daemons) == 0 {
		return found
	}
	return orGood(found, "%s runs, process %d, since %s", e.daemons[0].Name, e.daemons[0].PID, e.daemons[0].Started.Format(time.DateTime))
}

// wanted says whether the configuration switches anything on.
func (e *examination) wanted() bool {
	return slices.ContainsFunc(e.Modules, e.enabled) || e.Config == nil
}

// control is what starts or restarts the daemon here.
func (e *examination) control(verb string) string {
	state, _ := takeover.Look(e.Layout.Join("bin", replaced()[0]), e.Program)
	switch {
	case state == takeover.Ours:
		return e.Layout.Join("bin", "ossec-control") + " " + verb
	case e.systemd() && e.Layout.Home == paths.DefaultHome:
		return "systemctl " + verb + " hids"
	case verb == "restart":
		return "stop hids, then: hids run"
	}
	return "hids run"
}

func (e *examination) systemd() bool {
	_, err := os.Stat(e.Host.Path("/run/systemd/system"))
	return err == nil
}

// unit asks systemd about the service, where it has one.
func (e *examination) unit(ctx context.Context) []Finding {
	if !e.systemd() || e.Run == nil {
		return nil
	}
	argv := []string{"systemctl", "show", unit, "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload"}
	result, err := e.Run(ctx, argv, nil)
	if err == nil {
		err = result.Err(argv)
	}
	if err != nil {
		return []Finding{unchecked(err)}
	}
	u := properties(string(result.Stdout))
	if u["LoadState"] != "loaded" {
		return nil
	}
	var found []Finding
	if u["ActiveState"] == "failed" {
		found = append(found, problem("journalctl -u hids; systemctl restart hids", "the service has failed"))
	}
	if u["ActiveState"] == "active" && u["UnitFileState"] == "disabled" {
		found = append(found, warning("systemctl enable hids", "the service runs, and will not after a boot"))
	}
	if u["NeedDaemonReload"] == "yes" {
		found = append(found, warning("systemctl daemon-reload && systemctl restart hids", "the file of the service has changed since it was read"))
	}
	return found
}

// properties reads the lines of systemctl show.
func properties(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			all[name] = value
		}
	}
	return all
}

// moduleStates says whether the modules that are switched on run, and answer.
func moduleStates(_ context.Context, e *examination) []Finding {
	if len(e.daemons) == 0 {
		return nil
	}
	var found []Finding
	var running []string
	for _, m := range e.Modules {
		p := e.process(m.Name)
		switch {
		case !e.enabled(m):
		case p == nil:
			found = append(found, problem(e.control("start"), "%s is switched on, and no daemon has it", m.Name))
		case p.State == stateStarting: // after a reload, say; if it can't, it will wait
			running = append(running, m.Name+" (starting)")
		case p.State != stateRunning:
			found = append(found, problem("hids events; tail "+quote(e.Layout.DaemonLog()), "%s is %s; before, it %s", m.Name, p.State, orNothing(p.LastExit)))
		case p.deaf != nil:
			found = append(found, problem("tail "+quote(e.Layout.DaemonLog()), "%s does not answer: %v", m.Name, p.deaf))
		default:
			running = append(running, m.Name)
		}
		if p != nil && p.Restarts > 0 && (p.State == stateRunning || p.State == stateStarting) {
			found = append(found, warning("grep "+m.Name+" "+quote(e.Layout.DaemonLog()), "%s was started again %d times; it %s", m.Name, p.Restarts, orNothing(p.LastExit)))
		}
	}
	found = append(found, e.losses()...)
	return orGood(found, "running: %s", strings.Join(running, ", "))
}

// losses are what modules count and nobody should.
func (e *examination) losses() []Finding {
	var found []Finding
	for _, p := range e.processes() {
		if n := p.detail.Unsaved; n > 0 {
			found = append(found, problem("df "+quote(e.Layout.State(p.Name)), "%s could not write down its blocks %d times: after a crash they would stay", p.Name, n))
		}
		if n := p.detail.UndoFailed; n > 0 {
			found = append(found, warning("tail "+quote(e.Layout.DaemonLog())+"; hids execd list", "%s could not end a block at %d tries; it goes on trying", p.Name, n))
		}
	}
	return found
}

func orNothing(lastExit string) string {
	if lastExit == "" {
		return "did not run"
	}
	return "ended: " + lastExit
}

// privileges compares what the kernel says of each process with what the
// module is to have.
func privileges(_ context.Context, e *examination) []Finding {
	var found []Finding
	seen := 0
	for _, m := range e.Modules {
		p := e.process(m.Name)
		if p == nil || p.State != stateRunning {
			continue
		}
		st, err := proc.ReadStatus(e.Host, p.PID)
		if err != nil {
			continue // it has ended meanwhile, or there is no procfs
		}
		seen++
		found = append(found, e.compare(m, st)...)
	}
	if seen == 0 {
		return nil
	}
	return orGood(found, "the modules have what they need, and no more")
}

func (e *examination) compare(m modules.Module, st proc.Status) []Finding {
	if st.UID != 0 && m.Privileges.Root || st.UID != 0 && m.Privileges.User == "" {
		return []Finding{warning("run hids as root", "%s runs as uid %d: it does only what that user may", m.Name, st.UID)}
	}
	if m.Privileges.Root {
		return nil
	}
	if uid, err := e.UserID(m.Privileges.User); err == nil && st.UID == 0 && uid != 0 {
		return []Finding{problem(e.control("restart"), "%s runs as root and not as %s, which is there now", m.Name, m.Privileges.User)}
	}
	has := map[string]bool{}
	for _, c := range privdrop.CapsIn(st.CapEff) {
		has[c.String()] = true
	}
	var found []Finding
	for _, c := range m.Privileges.Caps {
		if !has[c] {
			fix := fmt.Sprintf("start the container with --cap-add %s; systemctl cat hids shows what a drop-in takes away", strings.TrimPrefix(c, "CAP_"))
			found = append(found, warning(fix, "%s lacks %s and sees less", m.Name, c))
		}
		delete(has, c)
	}
	if len(has) > 0 {
		found = append(found, problem(e.control("restart"), "%s holds %d capabilities that it does not need", m.Name, len(has)))
	}
	if !st.NoNewPriv {
		found = append(found, problem(e.control("restart"), "%s could get more privileges by running a setuid program", m.Name))
	}
	return found
}
