// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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
