// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/proc"
)

// excessive is how many hidden processes are named one by one, as in OSSEC.
const excessive = 15

func hiddenPids(ctx context.Context, s *check.Scan) error {
	if err := initialNamespace(s.Host); err != nil {
		return err
	}
	if err := wholeListing(s.Host); err != nil {
		return err
	}
	limit, err := proc.PidMax(s.Host)
	if err != nil {
		return err
	}
	oracles := proc.Trusted(proc.Oracles(), os.Getpid())
	if len(oracles) < 3 {
		return check.NotApplicable("only %d system calls tell a task from nobody", len(oracles))
	}
	h := &hunt{
		scan: s, oracles: oracles, limit: limit, seed: rand.IntN(len(oracles)),
		list: func() (map[int]int, error) { return proc.Tasks(s.Host) },
	}
	return h.run(ctx)
}

// hunt compares what the oracles say with what is listed.
type hunt struct {
	scan    *check.Scan
	oracles []proc.Oracle
	limit   int                         // no task has this id
	seed    int                         // which oracle begins: another one each scan
	list    func() (map[int]int, error) // task to process
	found   int
}

func (h *hunt) run(ctx context.Context) error {
	known, err := h.list()
	if err != nil {
		return err
	}
	suspects, err := h.sweep(ctx, known)
	if err != nil {
		return err
	}
	hidden, err := h.confirm(ctx, suspects)
	if err != nil {
		return err
	}
	h.reportHidden(hidden)
	return h.compare(ctx, known)
}

// block is how many ids in a row one oracle is asked about. It is odd, so that
// no pattern of pids falls together with it.
const block = 61

// sweep asks about every id that is not listed. Each is asked of one oracle
// that costs little, and which one changes from block to block and from scan
// to scan: to stay hidden a task must be hidden from all of them. Where most
// pids live all sorts are asked, and two for each id.
func (h *hunt) sweep(ctx context.Context, known map[int]int) ([]int, error) {
	busy := 1024
	for id := range known {
		busy = max(busy, id+1024)
	}
	busy = min(busy, h.limit)
	suspects, err := h.sweepTwice(ctx, busy, known)
	if err != nil {
		return nil, err
	}
	return h.sweepRest(ctx, busy, suspects)
}

// sweepRest adds to suspects the ids from here on.
func (h *hunt) sweepRest(ctx context.Context, from int, suspects []int) ([]int, error) {
	cheap := slices.DeleteFunc(slices.Clone(h.oracles), func(o proc.Oracle) bool { return o.Dear })
	if len(cheap) == 0 {
		cheap = h.oracles
	}
	for id, turn := from, h.seed; id < h.limit; turn++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ask := cheap[turn%len(cheap)].Ask
		for end := min(id+block, h.limit); id < end; id++ {
			if ask(id) {
				suspects = append(suspects, id)
			}
		}
	}
	return suspects, nil
}

// sweepTwice asks about the ids below to.
func (h *hunt) sweepTwice(ctx context.Context, to int, known map[int]int) ([]int, error) {
	n := len(h.oracles)
	var suspects []int
	for id := 1; id < to; id++ {
		if id%8192 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, ok := known[id]; ok {
			continue
		}
		first := (id + h.seed) % n
		if h.oracles[first].Ask(id) || h.oracles[(first+n/2)%n].Ask(id) {
			suspects = append(suspects, id)
		}
	}
	return suspects, nil
}

// confirm keeps the ids that in every round are alive before and after a
// listing that lacks them, and who says so. Most suspects were born after the
// first listing.
func (h *hunt) confirm(ctx context.Context, suspects []int) (map[int][]string, error) {
	hidden := make(map[int][]string)
	for round := 0; round < check.Rounds && len(suspects) > 0; round++ {
		if err := check.Rest(ctx); err != nil {
			return nil, err
		}
		hidden = h.alive(suspects)
		known, err := h.list()
		if err != nil {
			return nil, err
		}
		after := h.alive(suspects)
		maps.DeleteFunc(hidden, func(id int, _ []string) bool {
			_, listed := known[id]
			return listed || after[id] == nil
		})
		suspects = slices.Sorted(maps.Keys(hidden))
	}
	return hidden, nil
}

func (h *hunt) alive(ids []int) map[int][]string {
	alive := make(map[int][]string)
	for _, id := range ids {
		for _, o := range h.oracles {
			if o.Ask(id) {
				alive[id] = append(alive[id], o.Name)
			}
		}
	}
	return alive
}

// reportHidden names each process once, not its threads, unless the threads
// alone are hidden.
func (h *hunt) reportHidden(hidden map[int][]string) {
	for _, id := range slices.Sorted(maps.Keys(hidden)) {
		status, err := proc.ReadStatus(h.scan.Host, id)
		if err == nil && status.Tgid != id && hidden[status.Tgid] != nil {
			continue
		}
		exe, _ := proc.Exe(h.scan.Host, id)
		thing := exe
		if thing == "" {
			thing = "pid " + strconv.Itoa(id)
		}
		h.report(check.Finding{
			Rule: "hidden", Thing: thing, PID: id, Exe: exe,
			Title:  fmt.Sprintf("Process %d is hidden: the kernel knows it, /proc does not list it.", id),
			Why:    "A listing of /proc that lacks a living process is what a kernel rootkit makes. It was seen three times in a row, so it is no process that was just starting or ending.",
			Advice: fmt.Sprintf("cat /proc/%d/status; ls -l /proc/%d/exe /proc/%d/fd", id, id, id),
			Evidence: map[string]string{
				"known_to": strings.Join(hidden[id], " "), "comm": status.Name, "proc_status": readable(err),
			},
			Wire: fmt.Sprintf("Process '%d' hidden from /proc. Possible kernel level rootkit.", id),
		})
	}
}

func readable(err error) string {
	if err == nil {
		return "readable"
	}
	return err.Error()
}

// report stops naming processes after fifteen, as OSSEC does.
func (h *hunt) report(f check.Finding) {
	h.found++
	switch {
	case h.found <= excessive:
		f.Kind = check.Rootkit
		h.scan.Report(f)
	case h.found == excessive+1:
		h.scan.Report(check.Finding{
			Kind: check.Suspicious, Rule: "excessive", Thing: "processes",
			Title:  "More than 15 processes are hidden.",
			Why:    "So many may also mean that /proc shows only a part of the processes, in a sandbox for example.",
			Advice: "grep proc /proc/mounts; readlink /proc/self/ns/pid",
			Wire:   "Excessive number of hidden processes. It maybe a false-positive or something really bad is going on.",
		})
	}
}

// compare asks every oracle about every listed process: one
// that knows the process where another does not has been tampered with.
func (h *hunt) compare(ctx context.Context, known map[int]int) error {
	ask := h.oracles
	var odd []int
	for id, leader := range known {
		if id == leader && len(denials(ask, id)) > 0 {
			odd = append(odd, id)
		}
	}
	slices.Sort(odd)
	before := make(map[int]string)
	for round := range check.Rounds {
		if len(odd) == 0 {
			return nil
		}
		if err := check.Rest(ctx); err != nil {
			return err
		}
		odd = slices.DeleteFunc(odd, func(id int) bool {
			now, same := h.disagreement(ask, id)
			if !same || now == "" || round > 0 && now != before[id] {
				return true
			}
			before[id] = now
			return false
		})
	}
	for _, id := range odd {
		h.reportDisagreement(ask, id)
	}
	return nil
}

// denials names the oracles that do not know the task.
func denials(oracles []proc.Oracle, id int) []string {
	var names []string
	for _, o := range oracles {
		if !o.Ask(id) {
			names = append(names, o.Name)
		}
	}
	return names
}

// disagreement returns who denies a process that /proc still lists; same is
// false when it ended or became a zombie, which older kernels have no session
// for.
func (h *hunt) disagreement(ask []proc.Oracle, id int) (denied string, same bool) {
	first, err := proc.ReadStat(h.scan.Host, id)
	if err != nil || first.Zombie() {
		return "", false
	}
	denied = strings.Join(denials(ask, id), " ")
	second, err := proc.ReadStat(h.scan.Host, id)
	return denied, err == nil && !second.Zombie() && second.Start == first.Start
}

func (h *hunt) reportDisagreement(ask []proc.Oracle, id int) {
	denied := denials(ask, id)
	if len(denied) == 0 {
		return
	}
	exe, _ := proc.Exe(h.scan.Host, id)
	thing := exe
	if thing == "" {
		thing = "pid " + strconv.Itoa(id)
	}
	h.report(check.Finding{
		Rule: "disagreement", Thing: thing, PID: id, Exe: exe,
		Title:    fmt.Sprintf("Process %d is denied by %s, and known to /proc.", id, event.SafeText(strings.Join(denied, ", "))),
		Why:      "Two system calls that look in the same table of the kernel cannot disagree for long; one of them has been replaced.",
		Advice:   fmt.Sprintf("cat /proc/%d/status; kill -0 %d", id, id),
		Evidence: map[string]string{"denied_by": strings.Join(denied, " ")},
		Wire:     disagreementText(id, denied),
	})
}

// disagreementText is OSSEC's where its own three calls are concerned.
func disagreementText(id int, denied []string) string {
	known := func(name string) int {
		if slices.Contains(denied, name) {
			return 0
		}
		return 1
	}
	kill, getsid := known("kill"), known("getsid")
	switch {
	case kill != getsid:
		return fmt.Sprintf("Process '%d' hidden from kill (%d) or getsid (%d). Possible kernel-level rootkit.", id, kill, getsid)
	case known("getpgid") != kill:
		return fmt.Sprintf("Process '%d' hidden from kill (%d), getsid (%d) or getpgid. Possible kernel-level rootkit.", id, kill, getsid)
	}
	return fmt.Sprintf("Process '%d' hidden from %s. Possible kernel level rootkit.", id, denied[0])
}
