// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"maps"
	"time"

	"hids/modules/rootcheck/check"
)

// rounds is how often a difference has to be seen before it is reported: a
// module or program may come or go between two listings.
const (
	rounds = 3
	pause  = 50 * time.Millisecond
)

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

// rest waits between two rounds.
func rest(ctx context.Context) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// stable calls look as often as a difference has to be seen and returns what
// it found every time, with the last round's values.
func stable[K comparable, V any](ctx context.Context, look func() (map[K]V, error)) (map[K]V, error) {
	var seen map[K]V
	for round := range rounds {
		now, err := look()
		if err != nil {
			return nil, err
		}
		if round > 0 {
			maps.DeleteFunc(now, func(k K, _ V) bool { _, ok := seen[k]; return !ok })
		}
		if seen = now; len(seen) == 0 || round == rounds-1 {
			break
		}
		if err := rest(ctx); err != nil {
			return nil, err
		}
	}
	return seen, nil
}
