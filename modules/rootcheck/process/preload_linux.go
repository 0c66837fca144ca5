// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// preloaded is a library that a process was started with.
type preloaded struct {
	pid      int
	exe      string
	variable string
	library  string
}

func preloads(ctx context.Context, s *check.Scan) error {
	pids, err := proc.Pids(s.Host)
	if err != nil {
		return err
	}
	var found []preloaded
	var wait patience
	denied, silent := 0, 0
	for _, pid := range pids {
		list, err := environment(ctx, s.Host, pid, &wait)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errStuck):
			silent++
		case errors.Is(err, fs.ErrPermission):
			denied++
		}
		found = append(found, list...)
	}
	if denied > 0 {
		s.Fault("read the environments of processes", fmt.Errorf("%d processes: %w", denied, fs.ErrPermission))
	}
	if silent > 0 {
		s.Fault("read the environments of processes", fmt.Errorf("%d processes: %w", silent, errStuck))
	}
	owned, err := libraryOwners(ctx, s, found)
	if err != nil {
		s.Fault("ask which package owns a library", err)
	}
	reportPreloads(s, found, owned)
	return nil
}

// environment returns nothing for processes of a terminal: there an admin or a
// developer preloads what he likes.
func environment(ctx context.Context, h paths.Host, pid int, wait *patience) ([]preloaded, error) {
	stat, err := proc.ReadStat(h, pid)
	if err != nil || stat.TTY != 0 || stat.Flags&proc.KernelThread != 0 || stat.Zombie() {
		return nil, nil
	}
	b, err := wait.read(ctx, func() ([]byte, error) { return proc.ReadFile(h, pid, "environ") })
	if err != nil {
		return nil, err
	}
	var list []preloaded
	for _, entry := range proc.SplitNUL(b) {
		name, value, _ := strings.Cut(entry, "=")
		if name != "LD_PRELOAD" && name != "LD_AUDIT" {
			continue
		}
		exe, _ := proc.Exe(h, pid)
		for _, lib := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ':' }) {
			list = append(list, preloaded{pid: pid, exe: exe, variable: name, library: lib})
		}
	}
	return list, nil
}

func libraryOwners(ctx context.Context, s *check.Scan, found []preloaded) (map[string]string, error) {
	ask := map[string]bool{} // any user can put a hundred thousand into an environment
	for _, p := range found {
		if path.IsAbs(p.library) {
			ask[p.library] = true
		}
	}
	if s.Packages == nil || len(ask) == 0 {
		return nil, nil
	}
	return s.Packages.Owners(ctx, slices.Collect(maps.Keys(ask)))
}

func reportPreloads(s *check.Scan, found []preloaded, owned map[string]string) {
	reported := make(map[string]bool)
	for _, p := range found {
		thing := p.library + " in " + p.exe
		if reported[thing] || owned[p.library] != "" || usualPreload(p.library) {
			continue
		}
		reported[thing] = true
		lib, exe := event.SafeText(p.library), event.SafeText(p.exe)
		s.Report(check.Finding{
			Kind: check.Suspicious, Rule: "preload", Thing: thing, Path: p.library, PID: p.pid, Exe: p.exe,
			Title:    fmt.Sprintf("The daemon '%s' was started with %s=%s.", exe, p.variable, lib),
			Why:      "A preloaded library can replace any function of a program: rootkits without a kernel part hide files and record passwords that way. No package owns this one.",
			Advice:   fmt.Sprintf("tr '\\0' '\\n' < /proc/%d/environ; grep -F '%s' /proc/%d/maps", p.pid, lib, p.pid),
			Evidence: map[string]string{"variable": p.variable, "library": p.library},
			Wire:     fmt.Sprintf("Process executable '%s' started with %s '%s'. Possible user level rootkit (library preload).", exe, p.variable, lib),
		})
	}
}

// usualPreload lists libraries that are preloaded by name alone, which the
// loader looks up in system folders: allocators, sanitizers, build tools. With
// a path they have to belong to a package.
func usualPreload(lib string) bool {
	if strings.Contains(lib, "/") {
		return false
	}
	return slices.ContainsFunc([]string{
		"libjemalloc", "libtcmalloc", "libmimalloc", "libasan", "libtsan", "libubsan", "liblsan", "libfakeroot", "libfakechroot",
		"libeatmydata", "libstdbuf", "libnss_wrapper", "libgtk3-nocsd", "libfaketime",
	}, func(p string) bool { return strings.HasPrefix(lib, p) })
}
