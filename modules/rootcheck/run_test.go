// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hids/config"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
)

// brittle is a visitor that panics at its first entry.
type brittle struct{ walk.Visitor }

func (brittle) Roots() []string                               { return []string{"/"} }
func (brittle) Wants(string, walk.State) bool                 { return true }
func (brittle) Enter(f *walk.Folder, _ walk.State) walk.State { return f }
func (brittle) Entry(*walk.Folder, *walk.Entry, walk.State)   { panic("boom") }

// TestPanicStaysInItsCheck: what one check stumbles over must not stop the
// others, even where they share a walk.
func TestPanicStaysInItsCheck(t *testing.T) {
	host := image(t, plant{"usr/bin/.t0rn": "x", "dev/hidden": "x"})
	o := &ossec{}
	sc := Scanner{Host: host, Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Checks: append([]check.Check{
		{Name: "brittle", Walk: func(context.Context, *check.Scan) (walk.Visitor, error) { return brittle{}, nil }},
		{Name: "falls", Run: func(context.Context, *check.Scan) error { panic("boom") }},
	}, o.checks()...)}
	var found []check.Finding
	outcomes, err := sc.Run(t.Context(), []string{"brittle", "falls", "dev", "sys"},
		func(string) *check.Memory { return check.NewMemory(nil) }, func(f check.Finding) { found = append(found, f) })
	must(t, err)
	var states []string
	for _, o := range outcomes {
		states = append(states, o.Check+" "+string(o.State))
	}
	if !slices.Equal(states, []string{"brittle failed", "falls failed", "dev done", "sys done"}) || !strings.Contains(outcomes[0].Reason, "boom") {
		t.Errorf("%v, %q", states, outcomes[0].Reason)
	}
	if got := things(found); !slices.Contains(got, "rootkit-name /usr/bin/.t0rn") || !slices.Contains(got, "regular-file /dev/hidden") {
		t.Errorf("found %v", got)
	}
}

// TestFloodOfOneRule: what anybody can plant must not push out what another rule
// finds.
func TestFloodOfOneRule(t *testing.T) {
	flood := func(_ context.Context, s *check.Scan) error {
		for i := range maxFindings + 10 {
			s.Report(check.Finding{Kind: check.Suspicious, Rule: "planted", Thing: strconv.Itoa(i)})
		}
		for i := range 10 {
			s.Report(check.Finding{Kind: check.Suspicious, Rule: "long", Thing: strconv.Itoa(i), Title: strings.Repeat("x", maxText/4)})
		}
		s.Report(check.Finding{Kind: check.Rootkit, Rule: "real", Thing: "x"})
		return nil
	}
	sc := Scanner{Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Checks: []check.Check{{Name: "c", Run: flood}}}
	count := map[string]int{}
	outcomes, err := sc.Run(t.Context(), nil, func(string) *check.Memory { return check.NewMemory(nil) },
		func(f check.Finding) { count[f.Rule]++ })
	must(t, err)
	if count["planted"] != maxFindings || count["long"] != 3 || count["real"] != 1 {
		t.Errorf("found %v", count)
	}
	if o := outcomes[0]; o.State != Partial || o.Faults != 2 || len(o.findings) != maxFindings+4 {
		t.Errorf("%s, %d faults, %d findings", o.State, o.Faults, len(o.findings))
	}
}
