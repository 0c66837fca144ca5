// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	planted "hids/platform/plant"
)

// debian returns a fresh Debian 12, which the package tests use as well.
func debian(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("HIDS_CACHE")
	if cache == "" {
		cache = "/var/cache/hids-tests"
	}
	complete, _ := filepath.Glob(filepath.Join(cache, "bookworm-????????????", ".complete"))
	if len(complete) == 0 && os.Getenv("HIDS_TEST_ALL") != "1" {
		t.Skip("there is no fresh Debian here; .ci/debian-root makes one")
	}
	if len(complete) > 0 {
		return filepath.Dir(complete[0])
	}
	out, err := exec.CommandContext(t.Context(), "../../.ci/debian-root").Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}

// TestCleanDebian: every check has nothing to say of a fresh system.
func TestCleanDebian(t *testing.T) {
	testenv.Root(t)
	findings, outcomes := scanHost(t, paths.Host{Root: debian(t)}, &config.Rootcheck{})
	for _, f := range findings {
		t.Errorf("%s of %s: %s", f.Kind, f.Check, f.Title)
	}
	for _, o := range outcomes {
		if o.State != Done && o.State != NotApplicable {
			t.Errorf("%s: %s, %d faults, %s", o.Check, o.State, o.Faults, o.Reason)
		}
	}
}

// TestPlantedDebian puts into a fresh Debian what intruders leave, and expects
// all of it, each by name, and nothing else.
func TestPlantedDebian(t *testing.T) {
	if !planted.Isolated(t, planted.Mounts) {
		return
	}
	root := t.TempDir()
	planted.Overlay(t, debian(t), root)
	tree, want := plant{}, []string{
		"regular-file /dev/.udevd", "name /dev/.udevd", "preload /lib/libselinux.so.so", "giveaway /usr/lib/bash",
		"second-root toor", "package-checksum /bin/ps", "immutable /etc/cron.d/job",
	}
	for _, sig := range signaturesOf(t, 40) {
		tree[sig] = "x"
		want = append(want, "rootkit-file /"+sig)
	}
	tree["dev/.udevd"], tree["etc/ld.so.preload"], tree["lib/libselinux.so.so"] = "x", "/lib/libselinux.so.so\n", "x"
	tree["usr/lib/bash"], tree["usr/bin/ps"], tree["etc/cron.d/job"] = "x", "exchanged", "* * * * * root true\n"
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	must(t, err)
	tree["etc/passwd"] = string(passwd) + "toor:x:0:0::/root:/bin/sh\n"
	tree.in(t, root)
	must(t, os.Chmod(filepath.Join(root, "usr/lib/bash"), os.ModeSetuid|0o755))
	planted.Immutable(t, filepath.Join(root, "etc/cron.d/job"))
	findings, _ := scanHost(t, paths.Host{Root: root}, &config.Rootcheck{})
	slices.Sort(want)
	if diff := cmp.Diff(want, things(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// signaturesOf returns paths of our own list that can be planted side by side.
func signaturesOf(t *testing.T, n int) []string {
	t.Helper()
	var list []string
	o := &ossec{}
	for _, sig := range o.fileSignatures(&check.Scan{Config: &config.Rootcheck{}}) {
		inWay := slices.ContainsFunc(list, func(p string) bool {
			return strings.HasPrefix(p, sig.Path+"/") || strings.HasPrefix(sig.Path, p+"/")
		})
		if !sig.Anywhere && !inWay && (strings.HasPrefix(sig.Path, "usr/") || strings.HasPrefix(sig.Path, "etc/")) && !strings.Contains(sig.Path, "/.") {
			list = append(list, sig.Path)
		}
		if len(list) == n {
			return list
		}
	}
	t.Fatalf("%d signatures, want %d", len(list), n)
	return nil
}

// TestCleanMachine: no finding of kind rootkit on the machine that tests,
// whatever else goes on there.
func TestCleanMachine(t *testing.T) {
	testenv.Root(t)
	checks := []string{"pids", "tasks", "procmounts", "executables", "ports", "sockets", "sniffers", "if", "tools", "modules", "taint", "bpf", "loader", "accounts"}
	if os.Getenv("HIDS_TEST_ALL") == "1" {
		checks = nil // all; the walk takes its time
	}
	sc := Scanner{Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Checks: Checks(paths.Layout{Home: t.TempDir()})}
	outcomes, err := sc.Run(t.Context(), checks, func(string) *check.Memory { return check.NewMemory(nil) }, func(f check.Finding) {
		if f.Kind == check.Rootkit {
			t.Errorf("%s: %s %v", f.Check, f.Title, f.Evidence)
		}
		if f.Title == "" || f.Why == "" || f.Advice == "" {
			t.Errorf("%s says too little: %+v", f.Check, f)
		}
	})
	must(t, err)
	for _, o := range outcomes {
		if o.State == Failed {
			t.Error(fmt.Sprint(o.Check, ": ", o.Reason))
		}
	}
}

// TestDevOnLayers looks at a /dev whose files are on several file systems, as in
// a container or on a live system, with one that is mounted there.
func TestDevOnLayers(t *testing.T) {
	if !planted.Isolated(t, planted.Mounts) {
		return
	}
	lower, root := t.TempDir(), t.TempDir()
	must(t, unix.Mount("tmpfs", lower, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(lower, unix.MNT_DETACH) })
	plant{"dev/below": "x", "dev/sub/below": "x", "dev/termination-log": "", "etc/log": ""}.in(t, lower)
	planted.Overlay(t, lower, root)
	plant{"dev/above": "x"}.in(t, root)
	planted.BindMount(t, filepath.Join(root, "etc/log"), filepath.Join(root, "dev/termination-log"))
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(root, "dev/termination-log"), unix.MNT_DETACH) })
	findings, _ := scanHost(t, paths.Host{Root: root}, &config.Rootcheck{}, "dev")
	want := []string{"regular-file /dev/above", "regular-file /dev/below", "regular-file /dev/sub/below"}
	if diff := cmp.Diff(want, things(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
