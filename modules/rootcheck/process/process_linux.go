// SPDX-License-Identifier: Apache-2.0

package process

import (
	"slices"

	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// Checks lists the checks of this package in the order in which they run.
func Checks() []check.Check {
	ptrace := check.Need{Cap: "CAP_SYS_PTRACE", Why: "read the program and environment of other users' processes"}
	return []check.Check{
		{
			Name: "pids", Switch: "pids", Group: check.Processes, Live: true,
			Title: "processes that the kernel knows and /proc does not list",
			Run:   hiddenPids,
		}, {
			Name: "tasks", Switch: "pids", Group: check.Processes, Live: true,
			Title: "the kernel's count of tasks against those that /proc lists",
			Run:   taskCount,
		}, {
			Name: "procmounts", Group: check.Processes, Live: true,
			Title: "mounts that cover a process's folder in /proc",
			Run:   coveredProcesses,
		}, {
			Name: "executables", Group: check.Processes, Live: true,
			Title: "programs that were deleted, run from memory or from temporary folders, or pose as kernel threads",
			Needs: []check.Need{ptrace}, Run: oddExecutables,
		}, {
			Name: "preload", Group: check.Processes, Live: true,
			Title: "daemons that were started with a library preloaded",
			Needs: []check.Need{ptrace}, Run: preloads,
		}, {
			Name: "tools", Group: check.SelfTest, Live: true,
			Title: "files and processes that ls and ps do not show",
			Run:   hostTools().run,
		}, {
			Name: "self", Group: check.SelfTest, Live: true,
			Title: "foreign code in our own process",
			Run:   selfCheck,
		},
	}
}

// initialNamespace refuses hosts where pids are not what the whole kernel
// counts: in a container most tasks are somebody else's.
func initialNamespace(h paths.Host) error {
	ns, err := proc.Self(h, "pid")
	if err != nil {
		return check.NotApplicable("find the pid namespace: %w", err)
	}
	if ns != proc.InitialPIDNamespace {
		return check.NotApplicable("not in the initial pid namespace (%s)", ns)
	}
	return nil
}

// wholeListing refuses a /proc that shows each user only his own processes.
func wholeListing(h paths.Host) error {
	pids, err := proc.Pids(h)
	if err != nil {
		return err
	}
	if !slices.Contains(pids, 1) {
		return check.NotApplicable("/proc is mounted with hidepid: pid 1 is not listed")
	}
	return nil
}
