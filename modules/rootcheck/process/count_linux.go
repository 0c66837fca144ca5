// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// countRounds is how many undisturbed counts have to agree on a difference,
// and countTries how often one is attempted: on a host where something forks
// all the time there may be none, and then no answer.
const (
	countRounds = 6
	countTries  = 40
)

// everything names the kernel's count of all tasks among those of control
// groups, whose names are paths.
const everything = ""

// taskCount compares the kernel's own numbers of tasks, of all in /proc/loadavg
// and of each control group in pids.current, with the tasks that a listing has.
func taskCount(ctx context.Context, s *check.Scan) error {
	if err := initialNamespace(s.Host); err != nil {
		return err
	}
	if err := wholeListing(s.Host); err != nil {
		return err
	}
	groups, err := proc.PidGroups(s.Host)
	if err != nil {
		s.Log.Debug("control groups are not counted", "err", err)
	}
	c := counter{
		total:  func() (map[string]int, error) { return kernelCounts(s.Host, groups) },
		listed: func() (map[string]int, error) { return listedCounts(s.Host, groups) },
	}
	missing, err := c.missing(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		reportCount(s, name, missing[name])
	}
	return nil
}

func reportCount(s *check.Scan, group string, missing int) {
	f := check.Finding{
		Kind: check.Suspicious, Rule: "count", Thing: "tasks",
		Title:    "The kernel counts more tasks than /proc lists.",
		Why:      "A hidden process or thread is still counted. The numbers come from different moments, so this was counted again until they stood still.",
		Advice:   "cut -d/ -f2 /proc/loadavg; ls -d /proc/[0-9]*/task/* | wc -l",
		Evidence: map[string]string{"missing": strconv.Itoa(missing)},
		Wire:     "Number of tasks does not match the processes listed in /proc. Possible hidden process.",
	}
	if group != everything {
		name := event.SafeText(group)
		f.Rule, f.Thing = "group-count", group
		f.Title = fmt.Sprintf("The kernel counts more tasks in the control group '%s' than /proc lists.", name)
		f.Advice = fmt.Sprintf("systemd-cgls '%s'; find /sys/fs/cgroup -path '*%s/pids.current' -exec cat {} +", name, name)
		f.Wire = fmt.Sprintf("Number of tasks in control group '%s' does not match the processes listed in /proc. Possible hidden process.", name)
	}
	s.Report(f)
}

// kernelCounts reads what the kernel counts. A group that is gone has none.
func kernelCounts(h paths.Host, groups proc.Groups) (map[string]int, error) {
	b, err := os.ReadFile(h.ProcPath("loadavg"))
	if err != nil {
		return nil, err
	}
	all, err := proc.ParseLoadavg(b)
	if err != nil {
		return nil, err
	}
	counts := groups.Counts()
	counts[everything] = all
	return counts, nil
}

// listedCounts counts the tasks that /proc lists, in each group.
func listedCounts(h paths.Host, groups proc.Groups) (map[string]int, error) {
	tasks, err := proc.Tasks(h)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{everything: len(tasks)}
	if len(groups.Dirs) == 0 {
		return counts, nil
	}
	for id := range tasks {
		if group, err := groups.Of(h, tasks[id], id); err == nil {
			counts[group]++
		}
	}
	return counts, nil
}

type counter struct {
	total, listed func() (map[string]int, error)
}

// missing returns by how many each listing falls short in every undisturbed
// count. One that ever does not is left out, and so is one of which there are
// too few such counts. A count is undisturbed when the kernel's number and the
// listing's are both the same before and after.
func (c counter) missing(ctx context.Context) (map[string]int, error) {
	found, good, decided := map[string]int{}, map[string]int{}, map[string]bool{}
	for range countTries {
		calm, all, err := c.once()
		if err != nil {
			return nil, err
		}
		for name, short := range calm {
			switch {
			case decided[name]:
			case short < 1:
				decided[name] = true
				delete(found, name)
			default:
				if good[name] == 0 || short < found[name] {
					found[name] = short
				}
				if good[name]++; good[name] == countRounds {
					decided[name] = true
				}
			}
		}
		if len(decided) >= all {
			break
		}
		if err := check.Rest(ctx); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(found, func(name string, _ int) bool { return good[name] < countRounds })
	return found, nil
}

// once returns by how many the listing falls short where nothing changed
// meanwhile, and how many numbers there are.
func (c counter) once() (calm map[string]int, all int, err error) {
	var total, listed [2]map[string]int
	for i := range 2 {
		if total[i], err = c.total(); err != nil {
			return nil, 0, err
		}
		if listed[i], err = c.listed(); err != nil {
			return nil, 0, err
		}
	}
	last, err := c.total()
	if err != nil {
		return nil, 0, err
	}
	calm = make(map[string]int)
	for name, n := range last {
		if total[0][name] == n && total[1][name] == n && listed[0][name] == listed[1][name] {
			calm[name] = n - listed[0][name]
		}
	}
	return calm, len(last), nil
}
