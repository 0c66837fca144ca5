// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"os"

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

// taskCount compares the kernel's own number of tasks, which it shows in
// /proc/loadavg, with the tasks that a listing has.
func taskCount(ctx context.Context, s *check.Scan) error {
	if err := initialNamespace(s.Host); err != nil {
		return err
	}
	if err := wholeListing(s.Host); err != nil {
		return err
	}
	c := counter{
		total:  func() (int, error) { return loadavgTasks(s.Host) },
		listed: func() (int, error) { t, err := proc.Tasks(s.Host); return len(t), err },
	}
	missing, err := c.missing(ctx)
	if err != nil || missing < 1 {
		return err
	}
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "count", Thing: "tasks",
		Title:    "The kernel counts more tasks than /proc lists.",
		Why:      "A hidden process or thread is still counted. The numbers come from different moments, so this was counted again until they stood still.",
		Advice:   "cut -d/ -f2 /proc/loadavg; ls -d /proc/[0-9]*/task/* | wc -l",
		Evidence: map[string]string{"missing": fmt.Sprint(missing)},
		Wire:     "Number of tasks does not match the processes listed in /proc. Possible hidden process.",
	})
	return nil
}

func loadavgTasks(h paths.Host) (int, error) {
	b, err := os.ReadFile(h.ProcPath("loadavg"))
	if err != nil {
		return 0, err
	}
	return proc.ParseLoadavg(b)
}

type counter struct{ total, listed func() (int, error) }

// missing returns by how many the listing falls short in every undisturbed
// count, 0 if it ever does not, and 0 if there are too few of them. A count is
// undisturbed when the kernel's number and the listing's are both the same
// before and after.
func (c counter) missing(ctx context.Context) (int, error) {
	least, good := 0, 0
	for range countTries {
		d, calm, err := c.once()
		if err != nil {
			return 0, err
		}
		if calm {
			if d < 1 {
				return 0, nil
			}
			if good == 0 || d < least {
				least = d
			}
			if good++; good == countRounds {
				return least, nil
			}
		}
		if err := rest(ctx); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (c counter) once() (missing int, calm bool, err error) {
	var total, listed [2]int
	for i := range 2 {
		if total[i], err = c.total(); err != nil {
			return 0, false, err
		}
		if listed[i], err = c.listed(); err != nil {
			return 0, false, err
		}
	}
	last, err := c.total()
	if err != nil {
		return 0, false, err
	}
	calm = total[0] == total[1] && total[1] == last && listed[0] == listed[1]
	return total[0] - listed[0], calm, nil
}
