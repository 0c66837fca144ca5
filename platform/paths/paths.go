// SPDX-License-Identifier: Apache-2.0

// Package paths knows where everything is: the files of an installation below
// its home (Layout), and the files of the host that is examined (Host). Every
// path of the system that hids reads or writes is made here, so that a test, a
// clone or a mounted image can put another root under it. It touches no file;
// opening and creating belongs to the packages that own the content.
package paths

import "path/filepath"

// DefaultHome is where OSSEC installs itself, and so where hids does.
const DefaultHome = "/var/ossec"

// Layout is the tree of one installation. Its zero value is not useful: Home
// must be absolute.
type Layout struct {
	Home string // the installation, /var/ossec
}

// Join returns a path below the installation's home.
func (l Layout) Join(elem ...string) string {
	return filepath.Join(append([]string{l.Home}, elem...)...)
}

// OssecConf is OSSEC's own configuration file.
func (l Layout) OssecConf() string { return l.Join("etc", "ossec.conf") }

// HidsConf holds what OSSEC's daemons would refuse in ossec.conf.
func (l Layout) HidsConf() string { return l.Join("etc", "hids.conf") }

// AgentConf is the configuration a manager pushes to its agents.
func (l Layout) AgentConf() string { return l.Join("etc", "shared", "agent.conf") }

// ARConf is the table of active responses a manager pushes.
func (l Layout) ARConf() string { return l.Join("etc", "shared", "ar.conf") }

// InternalOptions is OSSEC's internal_options.conf.
func (l Layout) InternalOptions() string { return l.Join("etc", "internal_options.conf") }

// LocalInternalOptions is the admin's override of InternalOptions.
func (l Layout) LocalInternalOptions() string {
	return l.Join("etc", "local_internal_options.conf")
}

// AgentInfo is what agentd knows of this agent: name, id and profile.
func (l Layout) AgentInfo() string { return l.Join("queue", "ossec", ".agent_info") }

// Queue is the datagram socket on which agentd or analysisd takes events.
func (l Layout) Queue() string { return l.Join("queue", "ossec", "queue") }

// QueueWait exists while agentd has no connection to its manager.
func (l Layout) QueueWait() string { return l.Join("queue", "ossec", ".wait") }

// ExecQueue is the datagram socket on which execd takes requests.
func (l Layout) ExecQueue() string { return l.Join("queue", "alerts", "execq") }

// ResponseBin holds the active response programs.
func (l Layout) ResponseBin() string { return l.Join("active-response", "bin") }

// DaemonLog is ossec.log, one line an operator message.
func (l Layout) DaemonLog() string { return l.Join("logs", "ossec.log") }

// ResponseLog is active-responses.log, one line a response.
func (l Layout) ResponseLog() string { return l.Join("logs", "active-responses.log") }

// EventLog is the JSON event log.
func (l Layout) EventLog() string { return l.Join("logs", "hids", "events.json") }

// RunDir holds pid files and the restart request of syscheckd.
func (l Layout) RunDir() string { return l.Join("var", "run") }

// SyscheckRun is the file agentd creates to ask for a scan now.
func (l Layout) SyscheckRun() string { return l.Join("var", "run", ".syscheck_run") }

// ControlSocket is where one module (or "supervisor") answers operators.
func (l Layout) ControlSocket(module string) string {
	return l.Join("var", "run", "hids", module+".sock")
}

// State is the folder in which a module keeps what must outlive it. Only that
// module's user can write there.
func (l Layout) State(module string) string { return l.Join("queue", "hids", module) }

// Baseline is syscheckd's database of what was seen and what was accepted.
func (l Layout) Baseline() string { return filepath.Join(l.State("syscheckd"), "baseline.db") }

// Host is the system under examination: this machine, a mounted image, or a
// folder of fixtures. Empty fields mean the real one.
type Host struct {
	Root string // in front of every ordinary path; "" is /
	Proc string // where procfs is; "" is Root + /proc
	Sys  string // where sysfs is; "" is Root + /sys
}

// Path returns where the host's absolute path p is found.
func (h Host) Path(p string) string {
	if h.Root == "" {
		return p
	}
	return filepath.Join(h.Root, p)
}

// ProcPath returns a path below the host's procfs.
func (h Host) ProcPath(elem ...string) string {
	return filepath.Join(append([]string{h.proc()}, elem...)...)
}

// SysPath returns a path below the host's sysfs.
func (h Host) SysPath(elem ...string) string {
	base := h.Sys
	if base == "" {
		base = h.Path("/sys")
	}
	return filepath.Join(append([]string{base}, elem...)...)
}

func (h Host) proc() string {
	if h.Proc != "" {
		return h.Proc
	}
	return h.Path("/proc")
}
