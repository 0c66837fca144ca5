// SPDX-License-Identifier: Apache-2.0

//go:build unix

package syscheckd

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hids/modules/event"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/modules/syscheckd/wire"
	"hids/platform/paths"
)

// scanHere scans as a command does while no daemon runs, and returns the
// faults.
func (r *rig) scanHere() []string {
	r.t.Helper()
	s, err := OpenOffline(session.Options{
		Layout: paths.Layout{Home: r.home}, Config: r.conf, Names: report.SystemNames(), Access: session.Write,
		Events: event.SinkFunc(func(context.Context, *event.Event) error { return nil }),
	}, paths.Host{Root: r.home})
	must(r.t, err)
	var faults []string
	_, err = s.Scan(r.t.Context(), session.Scan{Trigger: "scan-now", Fault: func(f scan.Fault) { faults = append(faults, f.Error()) }})
	must(r.t, err)
	must(r.t, s.Close())
	return faults
}

// about returns the messages up to the end of a scan that are about one of the
// names, without their sums.
func (r *rig) about(messages <-chan string, names ...string) []string {
	r.t.Helper()
	var list []string
	for {
		m := r.next(messages)
		if m == "8:syscheck:syscheck-db-completed" {
			return list
		}
		sum, path, _ := strings.Cut(strings.TrimPrefix(m, "8:syscheck:"), " ")
		name, err := filepath.Rel(r.tree, path)
		if err != nil || !slices.Contains(names, name) {
			continue
		}
		if sum != "-1" {
			sum, _, _ = strings.Cut(sum, ":")
		}
		list = append(list, sum+" "+name)
	}
}

func (r *rig) wants(got []string, want ...string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("told %q, want %q", got, want)
	}
}

// TestScanWithoutDaemonIsTold scans by a command while the daemon is stopped:
// the manager hears of what that found when the daemon runs next, in the order
// it happened.
func TestScanWithoutDaemonIsTold(t *testing.T) {
	r := newRig(t, "a", "b", "keep")
	messages := r.agentd()
	r.start()
	r.about(messages)
	must(t, r.stop())
	must(t, os.Remove(r.path("a")))
	r.write("b", "12345")
	r.scanHere()
	r.write("b", "1234567")
	r.start()
	// The last is the whole baseline, which is sent at each start.
	r.wants(r.about(messages, "a", "b", "keep"), "5 b", "-1 a", "7 b", "7 b", "15 keep")
}

// TestOnlyWhatWasToldIsGone deletes files that the manager has never heard of:
// the baseline was made by a command, or extended by one.
func TestOnlyWhatWasToldIsGone(t *testing.T) {
	r := newRig(t, "a", "b", "c", "keep")
	messages := r.agentd()
	r.scanHere()
	must(t, os.Remove(r.path("a")))
	r.scanHere()
	must(t, os.Remove(r.path("b")))
	r.start()
	r.wants(r.about(messages, "a", "b", "c"), "12 a", "-1 a", "12 b", "-1 b", "12 c")
	must(t, os.Remove(r.path("c")))
	r.expect("deleted c")
	r.scan()
	r.wants(r.about(messages, "c"), "-1 c")
	must(t, r.stop())

	other := filepath.Join(r.home, "other")
	must(t, os.MkdirAll(other, 0o755))
	must(t, os.WriteFile(filepath.Join(other, "d"), []byte("12"), 0o644))
	entry := r.conf.Syscheck.Directories[0]
	entry.Path = other
	r.conf.Syscheck.Directories = append(r.conf.Syscheck.Directories, entry)
	r.scanHere()
	must(t, os.Remove(filepath.Join(other, "d")))
	r.start()
	r.wants(r.about(messages, "../other/d"), "2 ../other/d", "-1 ../other/d")
}

// TestFirstScanTellsOnce has the manager hear of each file once, not by the
// scan and then again as a part of the baseline.
func TestFirstScanTellsOnce(t *testing.T) {
	r := newRig(t, "a", "b")
	messages := r.agentd()
	r.start()
	r.wants(r.about(messages, "a", "b"), "12 a", "12 b")
}

// TestFullSpool fills the spool while nobody reads: that is said at once, what
// found no room is counted, changes stay to be found, and a file that the first
// scan had no room for is told when there is.
func TestFullSpool(t *testing.T) {
	r := newRig(t)
	const files = 40
	want := map[string]bool{}
	for i := range files {
		r.write("f"+strconv.Itoa(i), "12345")
		want["f"+strconv.Itoa(i)] = true
	}
	r.conf.Settings.Queue = "yes"
	r.conf.Settings.SpoolSize = 4000
	r.start()
	if got := strings.Count(r.log.String(), "raise spool_size"); got != 1 {
		t.Errorf("said %d times that the spool is full", got)
	}
	must(t, os.Remove(r.path("f1")))
	r.write("f0", "123456")
	r.scan()
	if _, err := os.Stat(r.daemon.out.mark); err == nil {
		t.Error("noted that the manager knows everything")
	}
	if q := r.daemon.now().Queue; q.Spool.Dropped == 0 || q.Spool.Bytes > q.Spool.Limit {
		t.Errorf("status %+v", q.Spool)
	}
	if faults := r.daemon.now().Faults; faults == 0 {
		t.Error("a change that was put off is no fault")
	}
	messages := r.agentd()
	last := map[string]string{}
	for told := 0; told < files-1 || last["f0"] != "6" || last["f1"] != "-1"; {
		m := strings.TrimPrefix(r.next(messages), "8:syscheck:")
		sum, path, _ := strings.Cut(m, " ")
		size, _, _ := strings.Cut(sum, ":")
		name := filepath.Base(path)
		if size == "-1" && last[name] == "" {
			t.Errorf("%s is told to be gone, and was not told before", name)
		}
		last[name] = size
		told = len(last)
	}
	r.await("what was left out to be said", func() bool {
		return strings.Contains(r.log.String(), "messages were left out and wait for a later scan")
	})
	r.await("all to be told", func() bool { _, err := os.Stat(r.daemon.out.mark); return err == nil })
}

// TestFullSpoolOfACommand shows what differs although the manager can't be told.
func TestFullSpoolOfACommand(t *testing.T) {
	r := newRig(t, "a")
	r.conf.Settings.Queue = "yes"
	r.conf.Settings.SpoolSize = 1
	r.scanHere()
	must(t, os.Remove(r.path("a")))
	if faults := r.scanHere(); len(faults) != 1 || !strings.Contains(faults[0], "the manager is not told") {
		t.Errorf("faults %q", faults)
	}
	b, err := os.ReadFile(paths.Layout{Home: r.home}.Baseline())
	if err != nil || !bytes.Contains(b, []byte("tree")) {
		t.Errorf("no baseline: %v", err)
	}
	if faults := r.scanHere(); len(faults) != 0 {
		t.Errorf("found again: %q", faults)
	}
}

func TestFieldsOfWhatWasInstalled(t *testing.T) {
	for text, want := range map[string]wire.Fields{
		"": wire.Seven, "DIRECTORY=\"/var/ossec\"\n": wire.Seven, "VERSION=garbage\n": wire.Seven,
		"VERSION=\"v2.8.3\"\n": wire.Six, "VERSION=\"2.9.0\"\n": wire.Six, "DATE=\"x\"\n VERSION=v3.8.0 \n": wire.Six,
		"VERSION=\"v4.0.0\"\n": wire.Seven, "VERSION=\"v4.3.0\"": wire.Seven, "VERSION=\"v10.1\"\n": wire.Seven,
	} {
		if got := parseFields(text); got != want {
			t.Errorf("%q: %d fields, want %d", text, got, want)
		}
	}
}

// TestFieldsOfMessages has /etc/ossec-init.conf and the configuration decide.
func TestFieldsOfMessages(t *testing.T) {
	for _, c := range []struct {
		version    string
		configured int
		want       int
	}{{"v3.7.0", 0, 6}, {"v4.1.0", 0, 7}, {"v3.7.0", 7, 7}, {"v4.1.0", 6, 6}} {
		r := newRig(t, "a")
		must(t, os.MkdirAll(filepath.Join(r.home, "etc"), 0o755))
		must(t, os.WriteFile(filepath.Join(r.home, "etc", "ossec-init.conf"), []byte("VERSION=\""+c.version+"\"\n"), 0o600))
		r.conf.Syscheck.SumFields = c.configured
		messages := r.agentd()
		r.start()
		r.next(messages) // the start of the scan
		sum, _, _ := strings.Cut(strings.TrimPrefix(r.next(messages), "8:syscheck:"), " ")
		if got := strings.Count(sum, ":") + 1; got != c.want {
			t.Errorf("OSSEC %s, sum_fields %d: %d fields in %q, want %d", c.version, c.configured, got, sum, c.want)
		}
		must(t, r.stop())
	}
}
