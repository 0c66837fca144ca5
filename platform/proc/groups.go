// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// initialCgroupNamespace is PROC_CGROUP_INIT_INO of the kernel: elsewhere a
// process sees only a part of the tree, under other names.
const initialCgroupNamespace = "cgroup:[4026531835]"

// Groups are the control groups below the root one, each of which counts the
// tasks in it and below it, cgroups(7), pids.current.
type Groups struct {
	Dirs       map[string]string // name, as in /proc/PID/cgroup, to its folder
	controller string            // "" in version 2, where all threads of a process are below one group
}

// PidGroups finds the groups that count tasks: none where no part of the
// system limits them, or in a namespace of its own.
func PidGroups(h paths.Host) (Groups, error) {
	g := Groups{Dirs: make(map[string]string)}
	if ns, err := Self(h, "cgroup"); err != nil || ns != initialCgroupNamespace {
		return g, fmt.Errorf("find control groups: not in the initial namespace: %w", errors.Join(err, errors.ErrUnsupported))
	}
	mounts, err := Mounts(h, "self")
	if err != nil {
		return g, err
	}
	for _, m := range mounts {
		v1 := m.FSType == "cgroup" && slices.Contains(strings.Split(m.SuperOptions, ","), "pids")
		if m.Root != "/" || !v1 && m.FSType != "cgroup2" {
			continue
		}
		counters, err := filepath.Glob(filepath.Join(h.Root, m.Point, "*", "pids.current"))
		if err != nil || len(counters) == 0 {
			continue
		}
		for _, c := range counters {
			dir := filepath.Dir(c)
			g.Dirs["/"+filepath.Base(dir)] = dir
		}
		if v1 {
			g.controller = "pids"
		}
		return g, nil
	}
	return g, nil
}

// Counts returns how many tasks the kernel counts in each group. One that is
// gone is left out.
func (g Groups) Counts() map[string]int {
	counts := make(map[string]int, len(g.Dirs))
	for name, dir := range g.Dirs {
		b, err := readLimited(filepath.Join(dir, "pids.current"))
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			counts[name] = n
		}
	}
	return counts
}

// Of returns the group that a task of a process is counted in; "/" if it is in
// the root, which counts nothing.
func (g Groups) Of(h paths.Host, pid, tid int) (string, error) {
	name := "cgroup"
	if g.controller != "" { // version 1 has a group for each thread
		name = "task/" + strconv.Itoa(tid) + "/cgroup"
	}
	b, err := ReadFile(h, pid, name)
	if err != nil {
		return "", err
	}
	return parseGroup(b, g.controller), nil
}

// parseGroup finds the line of a controller in /proc/PID/cgroup, "8:pids:/a/b",
// or that of version 2, "0::/a/b", and returns the first part of the path.
func parseGroup(b []byte, controller string) string {
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 || f[0] == "0" != (controller == "") {
			continue
		}
		if controller == "" || slices.Contains(strings.Split(f[1], ","), controller) {
			first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(f[2], " (deleted)"), "/"), "/")
			return "/" + first
		}
	}
	return "/"
}
