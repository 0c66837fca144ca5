// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hids/platform/pidfile"
	"hids/platform/proc"
	"hids/platform/takeover"
	"hids/platform/trust"
)

// configuration tells the faults that hids config check tells.
func configuration(_ context.Context, e *examination) []Finding {
	var found []Finding
	for _, f := range e.Faults {
		level := Warning
		if f.Fatal {
			level = Problem
		}
		fix := f.Hint
		if fix == "" {
			fix = "hids config check"
		}
		found = append(found, Finding{Level: level, Message: f.Pos.String() + ": " + f.Message, Fix: fix})
	}
	if e.Config != nil && len(e.Config.Files) == 0 {
		return append(found, good("there are no configuration files: the built-in configuration is used"))
	}
	return orGood(found, "the configuration is valid")
}

// program holds that only root can change what root runs.
func program(_ context.Context, e *examination) []Finding {
	fi, err := os.Stat(e.Host.Path(e.Program))
	if err == nil {
		err = trust.Executable(fi)
	}
	if err != nil {
		return []Finding{problem("chown root:root "+quote(e.Program)+" && chmod 0755 "+quote(e.Program), "root runs this program: %v", err)}
	}
	return []Finding{good("%s belongs to root", e.Program)}
}

// users looks for those that the modules want to become.
func users(_ context.Context, e *examination) []Finding {
	if !root() {
		return nil // modules keep the user
	}
	var found []Finding
	groups := map[string]bool{"": true}
	for _, m := range e.Modules {
		p := m.Privileges
		if _, err := e.GroupID(p.Group); !groups[p.Group] && err != nil {
			found = append(found, warning("groupadd -r "+p.Group, "the modules run without their group: %v", err))
		}
		groups[p.Group] = true
		if _, err := e.UserID(p.User); p.User != "" && err != nil {
			fix := fmt.Sprintf("useradd -r -M -g %s -d %s -s /usr/sbin/nologin %s", p.Group, quote(e.Layout.Home), p.User)
			found = append(found, warning(fix, "%s runs as root with few capabilities: %v", m.Name, err))
		}
	}
	return orGood(found, "the users and the group of the modules are there")
}

// replaced are the daemons of OSSEC in whose place hids can be.
func replaced() []string { return []string{"ossec-execd", "ossec-syscheckd"} }

// adoption finds one that was begun and is not complete.
func adoption(_ context.Context, e *examination) []Finding {
	ossec, err := takeover.Find(e.Host, e.Layout.Home)
	if errors.Is(err, takeover.ErrNone) {
		return nil
	}
	if err != nil {
		return []Finding{unchecked(err)}
	}
	var found []Finding
	ours := 0
	for _, name := range replaced() {
		path := e.Layout.Join("bin", name)
		state, err := takeover.Look(path, e.Program)
		switch {
		case err != nil:
			found = append(found, warning("hids adopt", "%v", err))
		case state == takeover.Orphan:
			found = append(found, warning("install "+ossec.Name+" again", "%s is not there: nothing could be put back", path+takeover.Kept))
		case state == takeover.Ours:
			ours++
		}
	}
	if ours > 0 && ours < len(replaced()) && len(found) == 0 {
		found = append(found, problem("hids adopt --apply", "hids has the place of only one of %s's daemons", ossec.Name))
	}
	if ours == 0 {
		return orGood(found, "%s %s in %s has its own daemons", ossec.Name, ossec.Version, ossec.Home)
	}
	return orGood(found, "hids has the place of the daemons of %s %s in %s", ossec.Name, ossec.Version, ossec.Home)
}

// beside finds daemons of OSSEC's or Wazuh's that do the work of a module at
// the same time: two of them would send everything twice, and take each other's
// execq away. One of another installation only costs.
func beside(_ context.Context, e *examination) []Finding {
	pids, err := proc.Pids(e.Host)
	if err != nil {
		return nil // no procfs, no way to tell
	}
	var found []Finding
	for _, pid := range pids {
		st, err := proc.ReadStatus(e.Host, pid)
		if err != nil || !standsIn(st.Name) || e.isOurs(pid) {
			continue
		}
		if _, err := os.Lstat(pidfile.Path(e.Layout.RunDir(), st.Name, pid)); err != nil {
			found = append(found, warning("stop it, if nobody needs it", "%s, process %d, of another installation does the same work", st.Name, pid))
			continue
		}
		fix := e.Layout.Join("bin", "ossec-control") + " stop, or let hids have its place: hids adopt"
		found = append(found, problem(fix, "%s, process %d, does the same work beside hids", st.Name, pid))
	}
	return orGood(found, "no other daemon does the same work")
}

// standsIn says whether a process is called like a daemon whose work a module
// does.
func standsIn(comm string) bool {
	_, name, ok := strings.Cut(comm, "-")
	vendor := strings.TrimSuffix(comm, "-"+name)
	return ok && slices.Contains([]string{"ossec", "wazuh"}, vendor) &&
		slices.Contains([]string{"execd", "syscheckd", "rootcheck"}, name)
}

// isOurs says whether a process runs this program, or one that it replaced.
func (e *examination) isOurs(pid int) bool {
	for _, d := range e.daemons {
		if d.PID == pid || slices.ContainsFunc(d.Modules, func(p process) bool { return p.PID == pid }) {
			return true
		}
	}
	exe, err := proc.Exe(e.Host, pid)
	return err == nil && filepath.Clean(strings.TrimSuffix(exe, " (deleted)")) == e.Program
}

// quote makes a path a word for a shell.
func quote(path string) string {
	if strings.Trim(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@,") == "" && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
