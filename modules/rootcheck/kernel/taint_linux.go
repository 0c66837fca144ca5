// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/proc"
)

// taintMemory is what the last run saw. Flags are only ever added until the
// next boot, by the kernel and by root alike.
type taintMemory struct {
	Boot string
	Mask uint64
}

// byModules are the flags that only loading a module sets: proprietary,
// forced, out of tree, unsigned.
const byModules = "PFOE"

func taint(_ context.Context, s *check.Scan) error {
	text, err := proc.ReadSys(s.Host, "kernel/tainted")
	if err != nil {
		return check.NotApplicable("read the taint of the kernel: %w", err)
	}
	mask, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("read the taint of the kernel: %w", err)
	}
	boot, err := proc.BootID(s.Host)
	if err != nil {
		return err
	}
	now := taintMemory{Boot: boot, Mask: mask}
	var last taintMemory
	if s.Memory.Load(&last) && last.Boot == boot {
		if lost := last.Mask &^ mask; lost != 0 {
			reportCleared(s, proc.TaintLetters(lost))
		}
		now.Mask |= last.Mask // so that it is said until the next boot
	}
	reportTainting(s, mask)
	return s.Memory.Save(now)
}

func reportCleared(s *check.Scan, letters string) {
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "cleared", Thing: letters, State: letters,
		Title:  fmt.Sprintf("Taint flags of the kernel (%s) disappeared without a reboot.", letters),
		Why:    "Neither the kernel nor root can take a taint flag back. Code in the kernel did it, to hide that a foreign module was loaded.",
		Advice: "cat /proc/sys/kernel/tainted; dmesg | grep -i taint; keep an image of the memory before a reboot",
		Wire:   fmt.Sprintf("Kernel taint flags (%s) were cleared without a reboot. Possible kernel level rootkit.", letters),
	})
}

// reportTainting names the modules that taint, and flags without such a module.
func reportTainting(s *check.Scan, mask uint64) {
	modules, _ := proc.ReadModules(s.Host)
	explained := ""
	for _, m := range modules {
		if m.Taint == "" {
			continue
		}
		explained += m.Taint
		name, letters := event.SafeText(m.Name), event.SafeText(m.Taint)
		s.Report(check.Finding{
			Kind: check.Policy, Rule: "module", Thing: m.Name, State: m.Taint,
			Title:  fmt.Sprintf("The module '%s' taints the kernel (%s).", name, letters),
			Why:    "It is not from the kernel's own tree, not signed, or was forced in. Drivers of graphics cards and file systems are often so; a rootkit is as well.",
			Advice: fmt.Sprintf("modinfo '%s'", name),
			Wire:   fmt.Sprintf("System Audit: Kernel tainted by module '%s' (%s).", name, letters),
		})
	}
	var open strings.Builder
	for _, letter := range byModules {
		if strings.ContainsRune(proc.TaintLetters(mask), letter) && !strings.ContainsRune(explained, letter) {
			open.WriteRune(letter)
		}
	}
	if open.Len() == 0 {
		return
	}
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "unexplained", Thing: open.String(), State: open.String(),
		Title:  fmt.Sprintf("The kernel is tainted by a module (%s) that is not loaded any more, or hidden.", open.String()),
		Why:    "These flags are set when a foreign, unsigned or forced module is loaded, and stay when it is unloaded.",
		Advice: "dmesg | grep -i taint; journalctl -k | grep -i 'loading out-of-tree'",
		Wire:   fmt.Sprintf("Kernel tainted (%s) but no loaded module has this taint. Possible hidden module.", open.String()),
	})
}
