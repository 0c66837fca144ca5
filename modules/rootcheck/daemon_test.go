// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/modules"
	"hids/modules/rootcheck/check"
	"hids/platform/fswatch"
	"hids/platform/paths"
)

// fake is a check that reports what the test says.
type fake struct {
	findings []check.Finding
	err      error
	fault    bool
	runs     []time.Time
	memories []int
}

func (f *fake) run(_ context.Context, s *check.Scan) error {
	f.runs = append(f.runs, time.Now())
	n := 0
	s.Memory.Load(&n)
	f.memories = append(f.memories, n)
	for _, x := range f.findings {
		s.Report(x)
	}
	if f.fault {
		s.Fault("read", errors.New("not possible"))
	}
	return errors.Join(f.err, s.Memory.Save(n+1))
}

func finding(thing, state string) check.Finding {
	return check.Finding{Kind: check.Suspicious, Rule: "r", Thing: thing, State: state, Title: thing + ".", Wire: "text of " + thing}
}

func testDaemon(t *testing.T, f *fake, cfg *config.Config) (*Daemon, *recorder) {
	t.Helper()
	rec := &recorder{}
	cfg.Settings.Queue = "no"
	d, err := New(modules.Env{
		Config: cfg, Layout: paths.Layout{Home: t.TempDir()}, Log: slog.New(slog.DiscardHandler), Events: rec, Ready: func() {},
	})
	must(t, err)
	d.outbox, d.watcher = rec, nil
	d.checks = []check.Check{{Name: "fake", Group: check.Files, Run: f.run}}
	return d, rec
}

// TestScansTellEverythingAgain is the life of a finding: each scan sends it to
// the manager; the event log hears of it once, of its change, and of its end.
func TestScansTellEverythingAgain(t *testing.T) {
	f := &fake{findings: []check.Finding{finding("a", "1"), finding("b", "1")}}
	d, rec := testDaemon(t, f, &config.Config{})
	id := func(thing string) string {
		r, err := d.store.Report()
		must(t, err)
		i := slices.IndexFunc(r.Entries, func(e Entry) bool { return e.Title == thing+"." })
		if i < 0 {
			t.Fatalf("no entry for %s", thing)
		}
		return r.Entries[i].ID
	}
	step := func(what string, wantTexts []string, wantActions ...string) {
		t.Helper()
		_, err := d.Scan(t.Context(), "scheduled", nil)
		must(t, err)
		texts, actions := rec.take()
		want := []string{"9:rootcheck:Starting rootcheck scan."}
		for _, text := range wantTexts {
			want = append(want, "9:rootcheck:text of "+text)
		}
		want = append(want, "9:rootcheck:Ending rootcheck scan.")
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("%s: texts (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(wantActions, actions); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", what, diff)
		}
	}
	step("first", []string{"a", "b"}, "finding "+digestID("a"), "finding "+digestID("b"))
	step("again", []string{"a", "b"})
	a := id("a")
	_, err := d.store.Accept(t.Context(), a[:6], "is meant to be")
	must(t, err)
	step("accepted", []string{"b"})
	f.findings = []check.Finding{finding("a", "2"), finding("b", "1")}
	step("accepted one changes", []string{"a", "b"}, "finding_changed "+a)
	f.findings = []check.Finding{finding("a", "1"), finding("b", "1")}
	step("and is as accepted", []string{"b"})
	f.findings, f.fault = nil, true
	step("not all could be seen", nil)
	if r, err := d.store.Report(); err != nil || len(r.Entries) != 2 || len(r.Open()) != 0 {
		t.Errorf("what could not be seen: %+v, %v; want it kept, and not open", r, err)
	}
	f.fault = false
	step("gone", nil, "finding_gone "+min(id("a"), id("b")), "finding_gone "+max(id("a"), id("b")))
}

// A check that is never complete must not keep what is long gone.
func TestIncompleteRunsForgetInTheEnd(t *testing.T) {
	f := &fake{findings: []check.Finding{finding("a", "1")}, fault: true}
	d, rec := testDaemon(t, f, &config.Config{})
	for range 2 + maxMissed {
		_, err := d.Scan(t.Context(), "scheduled", nil)
		must(t, err)
		f.findings = nil
	}
	_, actions := rec.take()
	if want := []string{"finding " + digestID("a"), "finding_gone " + digestID("a")}; !slices.Equal(want, actions) {
		t.Errorf("events %v, want %v", actions, want)
	}
}

// digestID is the ID of a fake's finding.
func digestID(thing string) string {
	s := check.Scan{Check: "fake"}
	var id string
	s.Emit = func(f check.Finding) { id = f.ID }
	s.Report(finding(thing, ""))
	return id
}

func TestOneCheckThatBreaksLeavesTheOthers(t *testing.T) {
	f := &fake{findings: []check.Finding{finding("a", "1")}}
	d, _ := testDaemon(t, f, &config.Config{})
	d.checks = slices.Insert(d.checks, 0, check.Check{Name: "broken", Run: func(context.Context, *check.Scan) error { panic("bug") }})
	report, err := d.Scan(t.Context(), "scan-now", nil)
	must(t, err)
	if len(report.Entries) != 1 || report.Outcomes[0].State != Failed || !strings.Contains(report.Outcomes[0].Reason, "bug") {
		t.Errorf("report %+v", report)
	}
	if Complete(report.Outcomes) {
		t.Error("a run with a broken check is complete")
	}
}

// Where nothing can be written a finding is told all the same.
func TestUnwritableStateSilencesNothing(t *testing.T) {
	f := &fake{findings: []check.Finding{finding("a", "1")}}
	d, rec := testDaemon(t, f, &config.Config{})
	must(t, os.MkdirAll(filepath.Dir(d.layout.State(Name)), 0o755))
	must(t, os.WriteFile(d.layout.State(Name), nil, 0o600)) // in the way of the folder
	report, err := d.Scan(t.Context(), "scheduled", nil)
	must(t, err)
	texts, actions := rec.take()
	if len(report.Entries) != 1 || len(texts) != 3 || len(actions) != 1 {
		t.Errorf("report %+v, texts %q, events %v", report, texts, actions)
	}
	rec.full = errors.New("disk full")
	if _, err := d.Scan(t.Context(), "scheduled", nil); err == nil {
		t.Error("nobody learns that nothing could be sent")
	}
	if _, actions := rec.take(); len(actions) != 1 {
		t.Errorf("events %v", actions)
	}
}

// A flood of findings is cut off, and told.
func TestFloodIsBounded(t *testing.T) {
	f := &fake{}
	for i := range maxFindings + 2 {
		f.findings = append(f.findings, finding(strconv.Itoa(i), ""))
	}
	d, _ := testDaemon(t, f, &config.Config{})
	report, err := d.Scan(t.Context(), "scan-now", nil)
	must(t, err)
	if o := report.Outcomes[0]; len(report.Entries) != maxFindings || o.State != Partial || o.Faults != 1 {
		t.Errorf("%d entries, %s with %d faults", len(report.Entries), o.State, o.Faults)
	}
}

// TestSchedule runs a day of virtual time.
func TestSchedule(t *testing.T) {
	tests := map[string]struct {
		cfg  config.Config
		want []time.Duration // since the start, over 26 hours
	}{
		"at start, then by frequency": {
			config.Config{Syscheck: config.Syscheck{ScanOnStart: true}, Rootcheck: config.Rootcheck{Frequency: 10 * time.Hour}},
			[]time.Duration{settle, 10*time.Hour + settle, 20*time.Hour + settle},
		},
		"not at start": {
			config.Config{Rootcheck: config.Rootcheck{Frequency: 20 * time.Hour}},
			[]time.Duration{20 * time.Hour},
		},
		// synctest begins at midnight UTC, 1 January 2000.
		"at a time of day": {
			config.Config{Syscheck: config.Syscheck{ScanOnStart: true, ScanTime: config.ClockTime{Set: true, Hour: 1, Minute: 30}}},
			[]time.Duration{settle, 90 * time.Minute, 25*time.Hour + 30*time.Minute},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				d, _ := testDaemon(t, f, &tt.cfg)
				ctx, cancel := context.WithTimeout(t.Context(), 26*time.Hour)
				defer cancel()
				start := time.Now().UTC()
				utc(t)
				must(t, d.Run(ctx))
				var got []time.Duration
				for _, at := range f.runs {
					got = append(got, at.Sub(start))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("scans (-want +got):\n%s", diff)
				}
				if want := []int{0, 1, 2}[:len(f.memories)]; !cmp.Equal(want, f.memories) {
					t.Errorf("memories %v, want %v", f.memories, want)
				}
			})
		})
	}
}

// utc makes the local time UTC for a test.
func utc(t *testing.T) {
	t.Helper()
	old := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = old })
}

func TestThereIsAlwaysAPause(t *testing.T) {
	start := time.Unix(0, 0)
	if next := nextScan(&config.Config{}, start, start); next.Sub(start) != pause {
		t.Errorf("frequency 0: the next scan is %v later, want %v", next.Sub(start), pause)
	}
}

func TestNextAt(t *testing.T) {
	saturday := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		clock config.ClockTime
		days  []time.Weekday
		want  time.Time
	}{
		{config.ClockTime{Set: true, Hour: 12}, nil, saturday.AddDate(0, 0, 1)},
		{config.ClockTime{Set: true, Hour: 12, Minute: 1}, nil, saturday.Add(time.Minute)},
		{config.ClockTime{}, []time.Weekday{time.Saturday}, time.Date(2000, 1, 8, 0, 0, 0, 0, time.UTC)},
		{config.ClockTime{Set: true, Hour: 3}, []time.Weekday{time.Monday, time.Friday}, time.Date(2000, 1, 3, 3, 0, 0, 0, time.UTC)},
	} {
		if got := nextAt(saturday, tt.clock, tt.days); !got.Equal(tt.want) {
			t.Errorf("%+v %v: %v, want %v", tt.clock, tt.days, got, tt.want)
		}
	}
}

func TestReloadMovesTheNextScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		d, _ := testDaemon(t, f, &config.Config{Rootcheck: config.Rootcheck{Frequency: 20 * time.Hour}})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		go func() {
			time.Sleep(time.Hour)
			d.Reload(ctx, &config.Config{Rootcheck: config.Rootcheck{Frequency: 2 * time.Hour}})
		}()
		start := time.Now()
		must(t, d.Run(ctx))
		if len(f.runs) != 1 || f.runs[0].Sub(start) != 2*time.Hour {
			t.Errorf("runs %v after %v", f.runs, start)
		}
	})
}

// TestAgentdAsks makes the file with which agentd asks for a scan.
func TestAgentdAsks(t *testing.T) {
	scanned := make(chan struct{}, 8)
	f := &fake{}
	d, _ := testDaemon(t, f, &config.Config{
		Syscheck: config.Syscheck{Disabled: true}, Rootcheck: config.Rootcheck{Frequency: 20 * time.Hour},
	})
	d.checks[0].Run = func(context.Context, *check.Scan) error {
		scanned <- struct{}{}
		return nil
	}
	must(t, os.MkdirAll(d.layout.RunDir(), 0o755))
	d.watcher = func() fswatch.Watcher { return newRequestWatcher(d.layout.RunDir(), d.log) }
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	d.ready = func() { close(ready) }
	go func() { ended <- d.Run(ctx) }()
	<-ready
	must(t, os.WriteFile(d.layout.SyscheckRun(), nil, 0o600))
	select {
	case <-scanned:
	case <-time.After(time.Minute):
		t.Error("the request was not seen")
	}
	cancel()
	must(t, <-ended)
	if _, err := os.Stat(d.layout.SyscheckRun()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the request is still there: %v", err)
	}
}

// ask sends a request to the control handler.
func ask(t *testing.T, d *Daemon, method, target, body string, want int, out any) {
	t.Helper()
	w := httptest.NewRecorder()
	d.Control().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	if w.Code != want {
		t.Fatalf("%s %s: code %d, want %d: %s", method, target, w.Code, want, w.Body)
	}
	if out != nil {
		must(t, json.Unmarshal(w.Body.Bytes(), out))
	}
}

func TestControl(t *testing.T) {
	f := &fake{findings: []check.Finding{finding("a", "1")}}
	d, rec := testDaemon(t, f, &config.Config{})
	var report Report
	ask(t, d, "POST", "/scan", `{"checks":["fake"]}`, http.StatusOK, &report)
	if len(report.Entries) != 1 || report.Trigger != "scan-now" {
		t.Fatalf("report %+v", report)
	}
	ask(t, d, "POST", "/scan", `{"checks":["nonsense"]}`, http.StatusBadRequest, nil)
	ask(t, d, "POST", "/scan", `not json`, http.StatusBadRequest, nil)
	ask(t, d, "POST", "/accept", `{"id":"000000000000"}`, http.StatusNotFound, nil)
	rec.take()
	var e Entry
	ask(t, d, "POST", "/accept", `{"id":"`+report.Entries[0].ID+`","note":"known"}`, http.StatusOK, &e)
	if e.Accepted == nil || e.Accepted.Note != "known" {
		t.Errorf("entry %+v", e)
	}
	if _, actions := rec.take(); len(actions) != 1 {
		t.Errorf("events %v, want the acceptance", actions)
	}
	var st Status
	ask(t, d, "GET", "/status", "", http.StatusOK, &st)
	if st.Last == nil || st.Last.Findings != 1 || st.Last.Open != 0 {
		t.Errorf("status %+v", st)
	}
	ask(t, d, "POST", "/withdraw", `{"id":"`+e.ID+`"}`, http.StatusOK, nil)
	ask(t, d, "GET", "/findings", "", http.StatusOK, &report)
	if report.Entries[0].Accepted != nil {
		t.Error("still accepted")
	}
	d.busy <- struct{}{}
	ask(t, d, "POST", "/scan", `{}`, http.StatusConflict, nil)
}
