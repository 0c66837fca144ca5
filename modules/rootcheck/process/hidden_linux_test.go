// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// kernel is a made-up table of tasks.
type kernel struct {
	alive  map[int]int             // task to process
	hidden map[int]bool            // not listed
	denied map[string]map[int]bool // oracle to ids it lies about
	lists  int                     // how many listings were made
	onList func(k *kernel)         // what happens after each
}

func (k *kernel) hunt(s *check.Scan) *hunt {
	oracle := func(name string) proc.Oracle {
		return proc.Oracle{Name: name, Ask: func(id int) bool {
			_, ok := k.alive[id]
			return ok && !k.denied[name][id]
		}}
	}
	return &hunt{
		scan: s, limit: 5000,
		oracles: []proc.Oracle{oracle("kill"), oracle("getsid"), oracle("getpgid"), oracle("prlimit64"), oracle("tkill")},
		list: func() (map[int]int, error) {
			listed := make(map[int]int)
			for id, leader := range k.alive {
				if !k.hidden[id] {
					listed[id] = leader
				}
			}
			k.lists++
			if k.onList != nil {
				k.onList(k)
			}
			return listed, nil
		},
	}
}

func TestHunt(t *testing.T) {
	for _, c := range []struct {
		name   string
		kernel kernel
		want   []string // wire texts
	}{
		{"all listed", kernel{alive: map[int]int{1: 1, 2: 2, 3: 2}}, nil},
		{
			"hidden, and denied by the calls that everybody knows",
			kernel{
				alive: map[int]int{1: 1, 700: 700}, hidden: map[int]bool{700: true},
				denied: map[string]map[int]bool{"kill": {700: true}, "getsid": {700: true}, "getpgid": {700: true}},
			},
			[]string{"Process '700' hidden from /proc. Possible kernel level rootkit."},
		},
		{
			"ends before the second look",
			kernel{alive: map[int]int{1: 1, 700: 700}, hidden: map[int]bool{700: true}, onList: func(k *kernel) {
				if k.lists == 2 {
					delete(k.alive, 700)
				}
			}},
			nil,
		},
		{
			"was born after the first listing",
			kernel{alive: map[int]int{1: 1}, onList: func(k *kernel) { k.alive[701] = 701 }},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, found := newScan("pids", paths.Host{Proc: t.TempDir()})
			c.kernel.scans(t, s)
			if diff := cmp.Diff(c.want, slices.Compact(wires(*found))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// scans runs one scan for each oracle that may begin.
func (k *kernel) scans(t *testing.T, s *check.Scan) {
	t.Helper()
	h := k.hunt(s)
	for h.seed = range h.oracles {
		if err := h.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func wires(found []check.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Wire)
	}
	return list
}

// TestOraclesTakeTurns: a task far from all others that every call but one
// denies is found by the scan in which that one is asked about it.
func TestOraclesTakeTurns(t *testing.T) {
	const id = 4321
	for _, honest := range []string{"kill", "prlimit64", "tkill"} {
		k := kernel{alive: map[int]int{1: 1, id: id}, hidden: map[int]bool{id: true}, denied: map[string]map[int]bool{}}
		for _, name := range []string{"kill", "getsid", "getpgid", "prlimit64", "tkill"} {
			if name != honest {
				k.denied[name] = map[int]bool{id: true}
			}
		}
		s, found := newScan("pids", paths.Host{Proc: t.TempDir()})
		k.scans(t, s)
		if diff := cmp.Diff([]string{"Process '4321' hidden from /proc. Possible kernel level rootkit."}, wires(*found)); diff != "" {
			t.Errorf("%s alone is honest (-want +got):\n%s", honest, diff)
		}
	}
}

func TestExcessive(t *testing.T) {
	k := kernel{alive: map[int]int{1: 1}, hidden: map[int]bool{}}
	for id := 100; id < 140; id++ {
		k.alive[id], k.hidden[id] = id, true
	}
	s, found := newScan("pids", paths.Host{Proc: t.TempDir()})
	if err := k.hunt(s).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(*found); n != excessive+1 || !strings.HasPrefix((*found)[n-1].Wire, "Excessive number of hidden processes.") {
		t.Errorf("%d findings: %+v", n, *found)
	}
}

func TestDisagreementText(t *testing.T) {
	for denied, want := range map[string]string{
		"kill":         "Process '7' hidden from kill (0) or getsid (1). Possible kernel-level rootkit.",
		"getsid tkill": "Process '7' hidden from kill (1) or getsid (0). Possible kernel-level rootkit.",
		"getpgid":      "Process '7' hidden from kill (1), getsid (1) or getpgid. Possible kernel-level rootkit.",
		"prlimit64":    "Process '7' hidden from prlimit64. Possible kernel level rootkit.",
	} {
		if got := disagreementText(7, strings.Fields(denied)); got != want {
			t.Errorf("%s: %q, want %q", denied, got, want)
		}
	}
}

// TestDisagreement: an oracle denies a process that is really there.
func TestDisagreement(t *testing.T) {
	for _, state := range []string{"S", "Z"} {
		h := paths.Host{Proc: t.TempDir()}
		writeFile(t, h.ProcPath("9", "stat"), "9 (x) "+state+" 1 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n")
		s, found := newScan("pids", h)
		k := kernel{alive: map[int]int{9: 9}, denied: map[string]map[int]bool{"kill": {9: true}}}
		if err := k.hunt(s).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := state == "S"; (len(*found) == 1) != want {
			t.Errorf("state %s: %+v", state, *found)
		}
	}
}

func TestCounter(t *testing.T) {
	moving := 0
	counts := func(all, group, busy int) func() (map[string]int, error) {
		return func() (map[string]int, error) {
			moving++
			return map[string]int{everything: all, "/group": group, "/busy": busy + moving}, nil
		}
	}
	c := counter{total: counts(100, 10, 1000), listed: counts(100, 7, 0)}
	got, err := c.missing(t.Context())
	if diff := cmp.Diff(map[string]int{"/group": 3}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// One that once was whole is innocent.
	round := 0
	c.total = func() (map[string]int, error) {
		round++
		if round <= 3 {
			return map[string]int{everything: 99}, nil
		}
		return map[string]int{everything: 100}, nil
	}
	c.listed = func() (map[string]int, error) { return map[string]int{everything: 99}, nil }
	if got, err := c.missing(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestContainerIsNotApplicable: elsewhere the kernel's pids are not ours.
func TestContainerIsNotApplicable(t *testing.T) {
	h := paths.Host{Proc: t.TempDir()}
	writeLink(t, h.ProcPath("self", "ns", "pid"), "pid:[4026532999]")
	for name, f := range map[string]func(context.Context, *check.Scan) error{"pids": hiddenPids, "tasks": taskCount} {
		s, _ := newScan(name, h)
		if err := f(t.Context(), s); !errors.Is(err, check.ErrNotApplicable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
