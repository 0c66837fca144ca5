// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func report(name string, f Finding) Finding {
	var got Finding
	s := &Scan{Check: name, Log: slog.New(slog.DiscardHandler), Emit: func(f Finding) { got = f }}
	s.Report(f)
	return got
}

func TestFindingIdentity(t *testing.T) {
	base := report("dev", Finding{Kind: Suspicious, Rule: "regular-file", Thing: "/dev/x", State: "a"})
	changed := report("dev", Finding{Kind: Suspicious, Rule: "regular-file", Thing: "/dev/x", State: "b"})
	if base.ID != changed.ID || base.Fingerprint == changed.Fingerprint {
		t.Errorf("a change of state must keep the ID and change the fingerprint: %+v, %+v", base, changed)
	}
	// The parts are separated: moving a byte from one to the next is another thing.
	for _, other := range []Finding{
		report("de", Finding{Rule: "vregular-file", Thing: "/dev/x"}),
		report("dev", Finding{Rule: "regular-file/", Thing: "dev/x"}),
	} {
		if other.ID == base.ID {
			t.Errorf("different things share the ID %s", base.ID)
		}
	}
	if base.Severity != 7 {
		t.Errorf("severity %d, want that of the kind", base.Severity)
	}
}

func TestMemory(t *testing.T) {
	type state struct{ Ports []int }
	m := NewMemory(nil)
	var got state
	if m.Load(&got) {
		t.Error("an empty memory remembers something")
	}
	if err := m.Save(state{[]int{22}}); err != nil {
		t.Fatal(err)
	}
	raw, saved := m.Bytes()
	if !saved || !NewMemory(raw).Load(&got) || len(got.Ports) != 1 {
		t.Errorf("saved %v %s, loaded %+v", saved, raw, got)
	}
	if NewMemory([]byte(`{"Ports":"x"}`)).Load(&got) {
		t.Error("what does not fit must count as nothing")
	}
}

// TestManyFaults: all are counted, and they do not fill the log.
func TestManyFaults(t *testing.T) {
	var log bytes.Buffer
	s := &Scan{Check: "c", Log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 10 * maxLogged {
		s.Fault("look", errors.New("no"))
	}
	if lines := strings.Count(log.String(), "\n"); s.Faults != 10*maxLogged || lines != maxLogged+1 {
		t.Errorf("%d counted, %d logged", s.Faults, lines)
	}
}

func TestNotApplicable(t *testing.T) {
	cause := errors.New("no such kernel interface")
	err := NotApplicable("list programs: %w", cause)
	if !errors.Is(err, ErrNotApplicable) || !errors.Is(err, cause) {
		t.Errorf("error chain of %v is broken", err)
	}
}
