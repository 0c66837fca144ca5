// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hids/modules/rootcheck/check"
)

func outcome(findings ...check.Finding) []Outcome {
	o := Outcome{Check: "c", State: Done, memory: check.NewMemory(nil)}
	s := check.Scan{Check: "c", Emit: func(f check.Finding) { o.findings = append(o.findings, f) }}
	for _, f := range findings {
		s.Report(f)
	}
	return []Outcome{o}
}

func TestStoreDamagedIsPutAside(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, stateFile), []byte("{half"), 0o600))
	s := NewStore(dir, slog.New(slog.DiscardHandler))
	if _, _, err := s.Finish(t.Context(), time.Now(), time.Now(), "t", outcome(finding("a", "1"))); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, stateFile+".damaged")); err != nil || string(data) != "{half" {
		t.Errorf("put aside: %q, %v", data, err)
	}
	r, err := s.Report()
	if err != nil || len(r.Entries) != 1 {
		t.Errorf("report %+v, %v", r, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 3 { // state, its lock, the damaged one
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestStoreAcceptNeedsAnUnambiguousID(t *testing.T) {
	s := NewStore(t.TempDir(), slog.New(slog.DiscardHandler))
	r, _, err := s.Finish(t.Context(), time.Now(), time.Now(), "t", outcome(finding("a", "1"), finding("b", "1")))
	must(t, err)
	for _, id := range []string{"", r.Entries[0].ID[:3], "ffffffffffff"} {
		if _, err := s.Accept(t.Context(), id, ""); !errors.Is(err, ErrUnknownFinding) {
			t.Errorf("accept %q: %v", id, err)
		}
	}
	if _, err := s.Accept(t.Context(), r.Entries[0].ID[:8], ""); err != nil {
		t.Error(err)
	}
}

func TestStoreKeepsFirstSeen(t *testing.T) {
	s := NewStore(t.TempDir(), slog.New(slog.DiscardHandler))
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, _, err := s.Finish(t.Context(), first, first, "t", outcome(finding("a", "1")))
	must(t, err)
	r, c, err := s.Finish(t.Context(), first.Add(time.Hour), first.Add(time.Hour), "t", outcome(finding("a", "1")))
	must(t, err)
	if e := r.Entries[0]; !e.FirstSeen.Equal(first) || !e.LastSeen.Equal(first.Add(time.Hour)) || len(c.New) != 0 {
		t.Errorf("entry %+v, changes %+v", e, c)
	}
}

// A record that would be too long to be read leaves out what is mild, and is
// still one at the next run.
func TestStoreStaysReadable(t *testing.T) {
	o := outcome(
		check.Finding{Kind: check.Info, Rule: "mild", Thing: "a", Title: strings.Repeat("m", 3000)},
		check.Finding{Kind: check.Rootkit, Rule: "worst", Thing: "b", Title: strings.Repeat("w", 1000)},
		check.Finding{Kind: check.Suspicious, Rule: "odd", Thing: "c", Title: strings.Repeat("o", 3000)},
		check.Finding{Kind: check.Info, Rule: "mild", Thing: "d", Title: strings.Repeat("m", 3000)})
	for _, tt := range []struct {
		limit int
		want  []string
	}{{20000, []string{"mild", "worst", "odd", "mild"}}, {9000, []string{"worst", "odd"}}, {3000, []string{"worst"}}, {1000, nil}} {
		st := emptyStore()
		must(t, o[0].memory.Save(strings.Repeat("x", 200)))
		_, _ = st.finish(time.Now(), time.Now(), "t", o)
		data, left, err := st.encode(tt.limit)
		must(t, err)
		var got stored
		must(t, json.Unmarshal(data, &got))
		var rules []string
		for _, e := range got.Last.Entries {
			rules = append(rules, e.Rule)
		}
		if !slices.Equal(rules, tt.want) || left != 4-len(tt.want) || len(data) > tt.limit || got.Memory["c"] == nil {
			t.Errorf("limit %d: %d bytes, %v, %d left out, memory %d", tt.limit, len(data), rules, left, len(got.Memory["c"]))
		}
	}
	st := emptyStore()
	st.Memory["small"], st.Memory["large"] = json.RawMessage(`1`), json.RawMessage(`"`+strings.Repeat("x", 2000)+`"`)
	if _, _, err := st.encode(1000); err != nil || st.Memory["large"] != nil || st.Memory["small"] == nil {
		t.Errorf("%v, %d memories", err, len(st.Memory))
	}
}
