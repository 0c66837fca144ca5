// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/proc"
)

// moduleViews compares what three parts of the kernel say is loaded, and looks
// for each module's file.
func moduleViews(ctx context.Context, s *check.Scan) error {
	if _, err := proc.ReadModules(s.Host); errors.Is(err, fs.ErrNotExist) {
		if sys, _ := sysModules(s.Host); len(sys) == 0 {
			return check.NotApplicable("this kernel has no loadable modules")
		}
	}
	odd, err := check.Stable(ctx, func() (map[anomaly]struct{}, error) { return compareModules(s.Host) })
	if err != nil {
		return err
	}
	for a := range odd {
		reportAnomaly(s, a)
	}
	return modulesOnDisk(ctx, s)
}

// anomaly is a module that one view has and another lacks.
type anomaly struct{ module, has, lacks string }

// The views.
const (
	inProc    = "/proc/modules"
	inSys     = "/sys/module"
	inSymbols = "/proc/kallsyms"
)

func compareModules(h paths.Host) (map[anomaly]struct{}, error) {
	odd := make(map[anomaly]struct{})
	sys, err := sysModules(h)
	if err != nil {
		return nil, err
	}
	symbols, symErr := proc.ReadSymbols(h)
	listed, err := proc.ReadModules(h)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	live := make(map[string]bool)
	for _, m := range listed {
		live[m.Name] = m.State == "Live"
	}
	miss := func(names map[string]bool, has string) {
		for name := range names {
			if _, ok := live[name]; !ok {
				odd[anomaly{name, has, inProc}] = struct{}{}
			}
		}
	}
	miss(sys, inSys)
	inSym := make(map[string]bool)
	if symErr == nil {
		for name := range symbols.Modules {
			inSym[name] = true
		}
		miss(inSym, inSymbols)
	}
	for name, isLive := range live {
		if isLive && !sys[name] && len(sys) > 0 {
			odd[anomaly{name, inProc, inSys}] = struct{}{}
		}
		if isLive && !inSym[name] && len(inSym) > 0 {
			odd[anomaly{name, inProc, inSymbols}] = struct{}{}
		}
	}
	return odd, nil
}

// sysModules lists the loadable modules of /sys/module: parts that are built
// into the kernel have no initstate and no coresize.
func sysModules(h paths.Host) (map[string]bool, error) {
	dir := h.SysPath("module")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	for _, e := range entries {
		for _, sign := range []string{"initstate", "coresize"} {
			if _, err := os.Lstat(h.SysPath("module", e.Name(), sign)); err == nil {
				found[e.Name()] = true
			}
		}
	}
	return found, nil
}

func reportAnomaly(s *check.Scan, a anomaly) {
	name := event.SafeText(a.module)
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "hidden-module", Thing: a.module + " not in " + a.lacks,
		Title:    fmt.Sprintf("The kernel module '%s' is in %s and not in %s.", name, a.has, a.lacks),
		Why:      "A module is in all of the kernel's listings or in none. One that is missing from some has taken itself out, as rootkits do first.",
		Advice:   fmt.Sprintf("grep -w '%s' /proc/modules /proc/kallsyms | head; ls /sys/module/%s; keep an image of the memory before a reboot", name, name),
		Evidence: map[string]string{"listed_in": a.has, "missing_from": a.lacks},
		Wire:     anomalyText(name, a),
	})
}

func anomalyText(name string, a anomaly) string {
	if a.lacks == inProc {
		return fmt.Sprintf("Anomaly detected in kernel modules: '%s' loaded but not listed in /proc/modules. Possible kernel level rootkit.", name)
	}
	return fmt.Sprintf("Anomaly detected in kernel modules: '%s' listed in /proc/modules but missing from %s. Possible kernel level rootkit.", name, a.lacks)
}

// maxDep bounds modules.dep: a distribution's has 1 MB.
const maxDep = 32 << 20

// modulesOnDisk looks for the file of each loaded module.
func modulesOnDisk(ctx context.Context, s *check.Scan) error {
	listed, err := proc.ReadModules(s.Host)
	if err != nil || len(listed) == 0 {
		return nil
	}
	release, err := proc.ReadSys(s.Host, "kernel/osrelease")
	if err != nil || release == "" || strings.Contains(release, "/") {
		return err
	}
	dir := "/lib/modules/" + release
	dep, err := s.FS.ReadFile(dir+"/modules.dep", maxDep)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an appliance that keeps its modules elsewhere, or an initramfs
	}
	if err != nil {
		s.Fault("read modules.dep", err)
		return nil
	}
	missing := make(map[string]bool)
	for _, m := range listed {
		missing[m.Name] = true
	}
	for line := range strings.Lines(string(dep)) {
		file, _, _ := strings.Cut(line, ":")
		delete(missing, moduleName(file))
	}
	if len(missing) > 0 {
		forgetFound(ctx, s.FS, dir, missing)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		reportNotOnDisk(s, name, dir)
	}
	return nil
}

// moduleName makes "kernel/net/x-y.ko.xz" the name that is loaded, "x_y".
func moduleName(file string) string {
	base, _, ok := strings.Cut(path.Base(file), ".ko")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(base, "-", "_")
}

// forgetFound takes out of missing what lies below a folder though depmod was
// not run for it.
func forgetFound(ctx context.Context, files *hostfile.FS, dir string, missing map[string]bool) {
	d, err := files.OpenDir(dir, true)
	if err != nil {
		return
	}
	search(ctx, d, missing, 0)
}

// search closes the folder.
func search(ctx context.Context, d *hostfile.Dir, missing map[string]bool, depth int) {
	defer d.Close()
	names, _ := d.Names(-1)
	for _, name := range names {
		if ctx.Err() != nil || len(missing) == 0 || depth > 16 {
			return
		}
		if module := moduleName(name); module != "" {
			delete(missing, module)
			continue
		}
		if sub, err := d.OpenDir(name); err == nil {
			search(ctx, sub, missing, depth+1)
		}
	}
}

func reportNotOnDisk(s *check.Scan, name, dir string) {
	text := event.SafeText(name)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "not-on-disk", Thing: name,
		Title:  fmt.Sprintf("The kernel module '%s' is loaded and has no file below %s.", text, event.SafeText(dir)),
		Why:    "It was loaded from another place, or its file was removed afterwards. Installers of drivers do that at times, rootkits always.",
		Advice: fmt.Sprintf("modinfo '%s'; cat /sys/module/%s/srcversion /sys/module/%s/taint; dmesg | grep -w '%s'", text, text, text, text),
		Wire:   fmt.Sprintf("Kernel module '%s' is loaded but not found below /lib/modules.", text),
	})
}
