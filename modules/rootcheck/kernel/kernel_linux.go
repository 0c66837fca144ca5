// SPDX-License-Identifier: Apache-2.0

package kernel

import "hids/modules/rootcheck/check"

// Checks lists the checks of this package in the order in which they run.
func Checks() []check.Check {
	return []check.Check{
		{
			Name: "modules", Group: check.Kernel, Live: true,
			Title: "kernel modules that are hidden from a listing or not on disk",
			Run:   moduleViews,
		}, {
			Name: "taint", Group: check.Kernel, Live: true,
			Title: "what taints the kernel, and taint that was wiped away",
			Run:   taint,
		}, {
			Name: "bpf", Group: check.Kernel, Live: true,
			Title: "BPF programs that are hidden or new",
			Needs: []check.Need{
				{Cap: "CAP_SYS_ADMIN", Why: "list BPF programs"},
				{Cap: "CAP_SYS_PTRACE", Why: "see which process holds a program"},
			},
			Run: bpfPrograms,
		}, {
			Name: "kernelsettings", Group: check.Kernel, Live: true,
			Title: "kernel settings that start programs or weaken the kernel, and their changes",
			Run:   kernelSettings,
		},
	}
}
