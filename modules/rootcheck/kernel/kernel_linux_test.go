// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/bpf"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/pkgdb"
	"hids/platform/plant"
)

// host writes a tree of fixtures; names begin with proc/, sys/ or anything of
// the root.
func host(t testing.TB, files map[string]string) paths.Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths.Host{Root: root}
}

// run asks one check, and returns the findings and what it remembers.
func run(t testing.TB, f func(context.Context, *check.Scan) error, h paths.Host, memory json.RawMessage) ([]check.Finding, json.RawMessage) {
	t.Helper()
	files, err := hostfile.New(h.Root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer files.Close()
	var found []check.Finding
	s := &check.Scan{
		Host: h, FS: files, Live: true, Check: "test", Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(memory),
		Emit: func(f check.Finding) { found = append(found, f) },
	}
	if err := f(t.Context(), s); errors.Is(err, check.ErrNotApplicable) {
		if _, measures := t.(*testing.B); measures {
			t.Skip(err) // the tests of it have fixtures
		}
		testenv.Skip(t, err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	raw, _ := s.Memory.Bytes()
	return found, raw
}

func wires(found []check.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Wire)
	}
	slices.Sort(list)
	return list
}

func expect(t *testing.T, found []check.Finding, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, wires(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// loaded is a host with two modules that everybody shows.
func loaded() map[string]string {
	return map[string]string{
		"proc/modules":                       "ext4 100 1 - Live 0x0\nxt_owner 50 0 - Live 0x0\nnew 1 0 - Loading 0x0\n",
		"sys/module/ext4/initstate":          "live\n",
		"sys/module/xt_owner/coresize":       "1\n",
		"sys/module/kernel/parameters/panic": "0\n", // built in
		"proc/kallsyms":                      "f t a\t[ext4]\nf t b\t[xt_owner]\nf t c\t[__builtin__ftrace]\nf t _text\n",
		"proc/sys/kernel/osrelease":          "6.1.0\n",
		"lib/modules/6.1.0/modules.dep":      "kernel/fs/ext4.ko: kernel/x.ko\nkernel/net/xt-owner.ko.xz:\nkernel/new.ko.zst:\n",
	}
}

func TestModules(t *testing.T) {
	const hidden = "Anomaly detected in kernel modules: 'diamorphine' loaded but not listed in /proc/modules. Possible kernel level rootkit."
	for _, c := range []struct {
		name   string
		change map[string]string
		want   []string
	}{
		{"all agree", nil, nil},
		{"left in sysfs", map[string]string{"sys/module/diamorphine/initstate": "live\n"}, []string{hidden}},
		{"left in kallsyms", map[string]string{"proc/kallsyms": "f t a\t[ext4]\nf t b\t[xt_owner]\nf t h\t[diamorphine]\n"}, []string{hidden}},
		{
			"left in /proc/modules",
			map[string]string{"proc/modules": "ext4 1 1 - Live 0x0\nxt_owner 1 0 - Live 0x0\nreptile 1 0 - Live 0x0 (OE)\n"},
			[]string{
				"Anomaly detected in kernel modules: 'reptile' listed in /proc/modules but missing from /sys/module. Possible kernel level rootkit.",
				"Anomaly detected in kernel modules: 'reptile' listed in /proc/modules but missing from /proc/kallsyms. Possible kernel level rootkit.",
				"Kernel module 'reptile' is loaded but not found below /lib/modules.",
			},
		},
		{"symbols are restricted", map[string]string{"proc/kallsyms": ""}, nil},
		{
			"depmod was not run",
			map[string]string{"lib/modules/6.1.0/modules.dep": "kernel/fs/ext4.ko:\nkernel/new.ko:\n", "lib/modules/6.1.0/updates/dkms/xt_owner.ko": ""},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := loaded()
			for name, text := range c.change {
				files[name] = text
			}
			found, _ := run(t, moduleViews, host(t, files), nil)
			expect(t, found, c.want...)
		})
	}
}

// TestModulesOfThisHost: a clean machine has no finding of kind rootkit.
func TestModulesOfThisHost(t *testing.T) {
	s := &check.Scan{Log: slog.New(slog.DiscardHandler), Emit: func(f check.Finding) {
		if f.Kind == check.Rootkit {
			t.Errorf("%+v", f)
		}
	}}
	s.FS, _ = hostfile.New("")
	if err := moduleViews(t.Context(), s); err != nil && !errors.Is(err, check.ErrNotApplicable) {
		t.Error(err)
	}
}

func TestTaint(t *testing.T) {
	files := map[string]string{
		"proc/sys/kernel/tainted":        "12289\n", // P, O, E
		"proc/sys/kernel/random/boot_id": "boot-1\n",
		"proc/modules":                   "nvidia 1 0 - Live 0x0 (PO)\n",
	}
	found, memory := run(t, taint, host(t, files), nil)
	expect(t, found,
		"System Audit: Kernel tainted by module 'nvidia' (PO).",
		"Kernel tainted (E) but no loaded module has this taint. Possible hidden module.")

	files["proc/sys/kernel/tainted"], files["proc/modules"] = "1\n", ""
	cleared := "Kernel taint flags (OE) were cleared without a reboot. Possible kernel level rootkit."
	left := "Kernel tainted (P) but no loaded module has this taint. Possible hidden module."
	found, memory = run(t, taint, host(t, files), memory)
	expect(t, found, cleared, left)
	found, memory = run(t, taint, host(t, files), memory)
	expect(t, found, cleared, left) // until the next boot

	files["proc/sys/kernel/random/boot_id"] = "boot-2\n"
	found, _ = run(t, taint, host(t, files), memory)
	expect(t, found, left)
}

// TestNewProgram loads a program between two runs.
func TestNewProgram(t *testing.T) {
	testenv.Root(t)
	_, memory := run(t, bpfPrograms, paths.Host{}, nil)
	name := "planted_by_test"
	plant.BPF(t, name)
	for range 2 { // it is not forgotten once it was told
		var found []check.Finding
		found, memory = run(t, bpfPrograms, paths.Host{}, memory)
		i := slices.IndexFunc(found, func(f check.Finding) bool { return strings.Contains(f.Wire, "'"+name+"'") })
		if i < 0 || found[i].Kind != check.Suspicious || found[i].PID != os.Getpid() {
			t.Errorf("the program is missing from %+v", found)
		}
	}
}

// TestHiddenProgram takes our program out of the list that the check gets.
func TestHiddenProgram(t *testing.T) {
	testenv.Root(t)
	plant.BPF(t, "hidden_by_test")
	whole, err := bpf.Programs()
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	i := slices.IndexFunc(whole, func(p bpf.Program) bool { return p.Name == "hidden_by_test" })
	if i < 0 {
		t.Fatal("the program is not loaded")
	}
	hidden, err := hiddenPrograms(t.Context(), paths.Host{}, func() ([]bpf.Program, error) { return slices.Delete(slices.Clone(whole), i, i+1), nil })
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for what := range hidden {
		told = told || strings.Contains(what, "hidden_by_test") || strings.HasPrefix(what, "program ")
	}
	if !told {
		t.Errorf("program %d is missing from %v", whole[i].ID, hidden)
	}
}

// TestHelpers: a program that could end processes is reported at once, with
// where it is pinned; and a pin tells of a program that the list lacks.
func TestHelpers(t *testing.T) {
	if !plant.Isolated(t, plant.Mounts) {
		return
	}
	dir := t.TempDir()
	plant.MountBPF(t, dir)
	plant.SignallingBPF(t, "signal_by_test", filepath.Join(dir, "pinned"))
	plant.BPF(t, "harmless")
	found, _ := run(t, bpfPrograms, paths.Host{}, nil)
	found = slices.DeleteFunc(found, func(f check.Finding) bool {
		return !strings.Contains(f.Title, "signal_by_test") && !strings.Contains(f.Title, "harmless")
	})
	if len(found) != 1 || found[0].Rule != "helper" || found[0].State != "bpf_send_signal" || found[0].PID != os.Getpid() {
		t.Fatalf("%+v", found)
	}
	if at := found[0].Evidence["pinned_at"]; at != filepath.Join(dir, "pinned") {
		t.Errorf("pinned at %q", at)
	}
	pinned, err := pins(paths.Host{})
	if err != nil || len(pinned) == 0 {
		t.Fatalf("%v, %v", pinned, err)
	}
	// Nothing but the pin tells of it here: fixtures have neither processes nor symbols.
	h := host(t, map[string]string{"proc/1/stat": "", "proc/kallsyms": ""})
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(h.ProcPath("self"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.ProcPath("self", "mountinfo"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	hidden, err := hiddenPrograms(t.Context(), h, func() ([]bpf.Program, error) { return nil, nil })
	if err != nil || !slices.Contains(slices.Collect(maps.Values(hidden)), filepath.Join(dir, "pinned")) {
		t.Errorf("%v, %v", hidden, err)
	}
}

func TestSettings(t *testing.T) {
	files := map[string]string{
		"proc/sys/kernel/random/boot_id":     "boot-1\n",
		"proc/sys/kernel/core_pattern":       "|/usr/lib/systemd/systemd-coredump %P\n",
		"proc/sys/kernel/modprobe":           "/sbin/modprobe\n",
		"proc/sys/kernel/modules_disabled":   "1\n",
		"proc/sys/kernel/randomize_va_space": "2\n",
		"proc/cmdline":                       "BOOT_IMAGE=/vmlinuz-1 ostree=/ostree/boot.0/x/1 root=/dev/vda quiet\n",
		"sys/kernel/uevent_helper":           "\n",
		"proc/sys/fs/binfmt_misc/status":     "enabled\n",
		"proc/sys/fs/binfmt_misc/cli":        "enabled\ninterpreter /usr/bin/cli\nflags:\n",
		"usr/lib/systemd/systemd-coredump":   "",
		"usr/bin/cli":                        "",
	}
	found, memory := run(t, kernelSettings, host(t, files), nil)
	expect(t, found)

	files["proc/cmdline"] = "BOOT_IMAGE=/vmlinuz-2 ostree=/ostree/boot.1/x/0 root=/dev/vda quiet\n"
	files["proc/sys/kernel/modules_disabled"] = "0\n"
	files["proc/sys/kernel/core_pattern"] = "|/tmp/.x %P\n"
	files["sys/kernel/uevent_helper"] = "/dev/shm/up\n"
	files["sys/fs/cgroup/memory/release_agent"] = "/cmd\n"
	files["proc/sys/fs/binfmt_misc/evil"] = "enabled\ninterpreter /var/tmp/i\n"
	files["proc/sys/kernel/randomize_va_space"] = "0\n"
	want := []string{
		"Kernel setting 'kernel.core_pattern' starts unknown program '/tmp/.x'.",
		"Kernel setting 'kernel.core_pattern' changed from '|/usr/lib/systemd/systemd-coredump %P' to '|/tmp/.x %P'.",
		"Kernel setting 'uevent_helper' starts unknown program '/dev/shm/up'.",
		"Kernel setting 'uevent_helper' changed from '' to '/dev/shm/up'.",
		"Kernel setting 'release_agent.memory' starts unknown program '/cmd'.",
		"Kernel setting 'binfmt.evil' starts unknown program '/var/tmp/i'.",
		"Kernel setting 'kernel.modules_disabled' was turned back without a reboot. Possible kernel level rootkit.",
		"Kernel setting 'kernel.randomize_va_space' changed from '2' to '0'.",
		"System Audit: Kernel setting 'kernel.randomize_va_space' is '0'.",
	}
	found, memory = run(t, kernelSettings, host(t, files), memory)
	expect(t, found, want...)
	found, _ = run(t, kernelSettings, host(t, files), memory)
	expect(t, found, want...) // still so
}

// TestStarted: an interpreter stands for what it runs.
func TestStarted(t *testing.T) {
	for command, want := range map[string]string{
		"/usr/share/apport/apport -p%p":        "/usr/share/apport/apport",
		"/bin/false":                           "/bin/false",
		"/bin/sh":                              "/bin/sh",
		"/bin/sh /tmp/x %p":                    "/tmp/x",
		"/usr/bin/python3.11 /usr/lib/dump %p": "/usr/lib/dump",
		"/bin/bash -c /tmp/x":                  "bash -c /tmp/x",
		"/usr/bin/env A=1 /tmp/x":              "env A=1 /tmp/x",
	} {
		if got := started(strings.Fields(command)); got != want {
			t.Errorf("%s starts %q, want %q", command, got, want)
		}
	}
	h := host(t, map[string]string{
		"proc/sys/kernel/random/boot_id": "boot-1\n", "bin/sh": "", "proc/sys/kernel/core_pattern": "|/bin/sh -c /tmp/x\n",
	})
	found, _ := run(t, kernelSettings, h, nil)
	expect(t, found, "Kernel setting 'kernel.core_pattern' starts unknown program 'sh -c /tmp/x'.")
}

// TestSettingsAskPackages: with a database, a system folder is not enough.
func TestSettingsAskPackages(t *testing.T) {
	h := host(t, map[string]string{"usr/lib/known": "", "usr/lib/unknown": ""})
	files, err := hostfile.New(h.Root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer files.Close()
	for program, want := range map[string]int{"/usr/lib/known": 0, "/usr/lib/unknown": 1, "/usr/lib/gone": 0} {
		n := 0
		s := &check.Scan{Host: h, FS: files, Packages: owner("/usr/lib/known"), Emit: func(check.Finding) { n++ }}
		owned, _ := s.Packages.Owners(t.Context(), []string{program})
		judgeProgram(s, "kernel.core_pattern", "|"+program, program, owned)
		if n != want {
			t.Errorf("%s: %d findings, want %d", program, n, want)
		}
	}
}

// owner is a database that knows one file.
type owner string

func (o owner) Owners(_ context.Context, list []string) (map[string]string, error) {
	if slices.Contains(list, string(o)) {
		return map[string]string{string(o): "pkg"}, nil
	}
	return nil, nil
}

func (owner) Sums(context.Context, []string) (map[string]pkgdb.Sum, error) { return nil, nil }

func BenchmarkModules(b *testing.B)  { benchmark(b, moduleViews) }
func BenchmarkBPF(b *testing.B)      { benchmark(b, bpfPrograms) }
func BenchmarkSettings(b *testing.B) { benchmark(b, kernelSettings) }

func benchmark(b *testing.B, f func(context.Context, *check.Scan) error) {
	for b.Loop() {
		run(b, f, paths.Host{}, nil)
	}
}
