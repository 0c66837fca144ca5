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
	"path/filepath"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// settingsMemory holds the values of the first run, by name, and in which boot
// they were last seen.
type settingsMemory struct {
	Boot   string
	Values map[string]string
	Last   map[string]string
}

// The settings that are read below /proc/sys.
func sysctls() []string {
	return []string{
		"kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/poweroff_cmd",
		"kernel/modules_disabled", "kernel/kexec_load_disabled", "kernel/unprivileged_bpf_disabled",
		"kernel/kptr_restrict", "kernel/dmesg_restrict", "kernel/randomize_va_space", "kernel/sysrq",
		"kernel/yama/ptrace_scope", "kernel/perf_event_paranoid", "kernel/io_uring_disabled", "kernel/ftrace_enabled",
		"fs/suid_dumpable", "fs/protected_symlinks", "fs/protected_hardlinks", "fs/protected_fifos", "fs/protected_regular",
		"net/core/bpf_jit_harden", "vm/mmap_min_addr",
	}
}

func kernelSettings(ctx context.Context, s *check.Scan) error {
	now := readSettings(s)
	programs := programsOf(now)
	owned := make(map[string]string)
	if s.Packages != nil && len(programs) > 0 {
		var err error
		if owned, err = s.Packages.Owners(ctx, slices.Sorted(maps.Values(programs))); err != nil {
			s.Fault("ask which package owns a program", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		judgeProgram(s, name, now[name], programs[name], owned)
	}
	weakSettings(s, now)
	return compareSettings(s, now)
}

// readSettings reads what there is: kernels differ.
func readSettings(s *check.Scan) map[string]string {
	h := s.Host
	now := make(map[string]string)
	read := func(name, path string) {
		b, err := os.ReadFile(path)
		if err == nil {
			now[name] = strings.TrimSpace(string(b))
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			s.Log.Debug("setting cannot be read", "path", path, "err", err)
		}
	}
	for _, name := range sysctls() {
		read(strings.ReplaceAll(name, "/", "."), h.ProcPath("sys", name))
	}
	read("uevent_helper", h.SysPath("kernel", "uevent_helper"))
	read("lockdown", h.SysPath("kernel", "security", "lockdown"))
	read("module.sig_enforce", h.SysPath("module", "module", "parameters", "sig_enforce"))
	read("cmdline", h.ProcPath("cmdline"))
	if c, ok := now["cmdline"]; ok {
		now["cmdline"] = withoutImage(c)
	}
	agents, _ := filepath.Glob(h.SysPath("fs", "cgroup", "*", "release_agent"))
	for _, p := range agents {
		read("release_agent."+filepath.Base(filepath.Dir(p)), p)
	}
	for name, interpreter := range binaryFormats(h) {
		now["binfmt."+name] = interpreter
	}
	return now
}

// withoutImage drops the parameters that differ after every kernel upgrade.
func withoutImage(cmdline string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(cmdline), func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return name == "BOOT_IMAGE" || name == "initrd" || name == "ostree"
	}), " ")
}

// binaryFormats maps each registered format to its interpreter.
func binaryFormats(h paths.Host) map[string]string {
	dir := h.ProcPath("sys", "fs", "binfmt_misc")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	formats := make(map[string]string)
	for _, e := range entries {
		if e.Name() == "register" || e.Name() == "status" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if p, ok := strings.CutPrefix(line, "interpreter "); ok {
				formats[e.Name()] = strings.TrimSpace(p)
			}
		}
	}
	return formats
}

// programsOf returns the program that each setting makes the kernel start.
func programsOf(now map[string]string) map[string]string {
	programs := make(map[string]string)
	for name, value := range now {
		switch {
		case name == "kernel.core_pattern":
			command, ok := strings.CutPrefix(value, "|")
			if f := strings.Fields(command); ok && len(f) > 0 {
				programs[name] = started(f)
			}
		case name == "kernel.modprobe", name == "kernel.hotplug", name == "uevent_helper",
			strings.HasPrefix(name, "release_agent."), strings.HasPrefix(name, "binfmt."):
			if value != "" {
				programs[name] = value
			}
		}
	}
	return programs
}

// started is the program that a command is about: that of an interpreter is the
// file it is told to run. A command without such a file is one that nobody owns.
func started(command []string) string {
	name := path.Base(command[0])
	if len(command) == 1 || !interpreter(name) {
		return command[0]
	}
	if path.IsAbs(command[1]) {
		return command[1]
	}
	return strings.Join(append([]string{name}, command[1:]...), " ")
}

func interpreter(name string) bool {
	return slices.Contains([]string{
		"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "busybox", "toybox", "env", "awk", "gawk", "mawk",
		"node", "ruby", "lua", "php", "tclsh", "setsid", "nohup", "nice", "timeout", "systemd-run", "socat", "nc", "ncat",
	}, name) || strings.HasPrefix(name, "python") || strings.HasPrefix(name, "perl")
}

// judgeProgram reports a program that root's kernel starts and no package
// owns. Where nobody knows what packages own, system folders are believed.
func judgeProgram(s *check.Scan, name, value, program string, owned map[string]string) {
	if owned[program] != "" || expectedProgram(name, program) {
		return
	}
	if s.Packages == nil && systemFolder(program) {
		return
	}
	if _, err := s.FS.Stat(program); err != nil && systemFolder(program) {
		return // nothing to start, and nobody but root can change that
	}
	text, prog := event.SafeText(name), event.SafeText(program)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "program", Thing: name, State: value, Path: program, Severity: 10,
		Title:  fmt.Sprintf("The kernel setting %s makes the kernel start '%s', which no package owns.", text, prog),
		Why:    "The kernel starts it as root, outside of every container, whenever the event happens: a known way to escape from containers and to come back.",
		Advice: fmt.Sprintf("ls -l '%s'; grep -r '%s' /etc/sysctl.d /usr/lib/sysctl.d", prog, text),
		Wire:   fmt.Sprintf("Kernel setting '%s' starts unknown program '%s'.", text, prog),
	})
}

// expectedProgram: defaults of kernels and of systems without a database.
func expectedProgram(name, program string) bool {
	switch name {
	case "kernel.modprobe":
		return slices.Contains([]string{"/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe", "/usr/bin/modprobe", "/bin/true", "/bin/false"}, program)
	case "kernel.hotplug", "uevent_helper":
		return slices.Contains([]string{"/sbin/hotplug", "/sbin/mdev"}, program)
	}
	return strings.HasPrefix(program, "/nix/store/") || strings.HasPrefix(program, "/run/current-system/")
}

func systemFolder(p string) bool {
	return slices.ContainsFunc([]string{"/usr/lib/", "/usr/libexec/", "/usr/bin/", "/usr/sbin/", "/usr/share/", "/bin/", "/sbin/", "/lib/"},
		func(dir string) bool { return strings.HasPrefix(p, dir) })
}

// weakSettings reports values that give up protection a kernel has by default.
func weakSettings(s *check.Scan, now map[string]string) {
	for _, w := range []struct{ name, value, why string }{
		{"kernel.randomize_va_space", "0", "Programs are at the same addresses each time, which makes every memory fault easy to exploit."},
		{"kernel.unprivileged_bpf_disabled", "0", "Any user may load BPF programs, a part of the kernel with many faults in its past."},
		{"fs.suid_dumpable", "1", "Programs that run with other rights than the user's leave core files with their memory."},
		{"vm.mmap_min_addr", "0", "Faults of the kernel with null pointers can be exploited by any user."},
	} {
		if now[w.name] != w.value {
			continue
		}
		s.Report(check.Finding{
			Kind: check.Policy, Rule: "weak", Thing: w.name, State: w.value,
			Title: fmt.Sprintf("The kernel setting %s is %s.", w.name, w.value), Why: w.why,
			Advice: "sysctl " + w.name + "; grep -r " + w.name + " /etc/sysctl.conf /etc/sysctl.d",
			Wire:   fmt.Sprintf("System Audit: Kernel setting '%s' is '%s'.", w.name, w.value),
		})
	}
}

// compareSettings reports what differs from the first run, until it is
// accepted or changed back.
func compareSettings(s *check.Scan, now map[string]string) error {
	boot, err := proc.BootID(s.Host)
	if err != nil {
		return err
	}
	var memory settingsMemory
	if !s.Memory.Load(&memory) || memory.Values == nil {
		memory.Values = make(map[string]string)
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		first, known := memory.Values[name]
		switch last := memory.Last[name]; {
		case oneWay(name) && memory.Boot == boot && last == "1" && now[name] == "0":
			reportUnlocked(s, name)
			now[name] = last // so that it is said until the next boot
		case !known:
			memory.Values[name] = now[name]
		case first != now[name]:
			reportChange(s, name, first, now[name])
		}
	}
	memory.Boot, memory.Last = boot, now
	return s.Memory.Save(memory)
}

// oneWay lists the switches that cannot be turned back before a reboot.
func oneWay(name string) bool {
	return name == "kernel.modules_disabled" || name == "kernel.kexec_load_disabled"
}

func reportUnlocked(s *check.Scan, name string) {
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "unlocked", Thing: name,
		Title:  fmt.Sprintf("The kernel setting %s went from 1 to 0 without a reboot.", name),
		Why:    "The kernel lets nobody turn this switch back. Code in the kernel did it.",
		Advice: "sysctl " + name + "; keep an image of the memory before a reboot",
		Wire:   fmt.Sprintf("Kernel setting '%s' was turned back without a reboot. Possible kernel level rootkit.", name),
	})
}

func reportChange(s *check.Scan, name, from, to string) {
	text := event.SafeText(name)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "changed", Thing: name, State: to,
		Title:    fmt.Sprintf("The kernel setting %s changed from '%s' to '%s'.", text, event.SafeText(from), event.SafeText(to)),
		Why:      "It was different when hids first looked. An admin or an upgrade may have changed it.",
		Advice:   fmt.Sprintf("sysctl '%s'; grep -r '%s' /etc/sysctl.conf /etc/sysctl.d", text, text),
		Evidence: map[string]string{"before": from, "now": to},
		Wire:     fmt.Sprintf("Kernel setting '%s' changed from '%s' to '%s'.", text, event.SafeText(from), event.SafeText(to)),
	})
}
