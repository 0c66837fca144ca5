// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"hids/config"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/pkgdb"
)

// Scan is what a check is given for one run.
type Scan struct {
	Host     paths.Host
	FS       *hostfile.FS // reads Host.Root safely; paths are those the host sees
	Live     bool         // Host is the machine we run on
	Config   *config.Rootcheck
	Log      *slog.Logger
	Memory   *Memory
	Packages Packages // nil: the host has no package database that we can read

	// Emit takes the findings; Report fills them in first.
	Emit func(Finding)
	// Faults counts what could not be looked at.
	Faults int
	// Hashed is how many bytes were read for the sums of findings.
	Hashed int64

	Check string // the name of the running check
}

// Report says that something was found.
func (s *Scan) Report(f Finding) {
	f.identify(s.Check)
	s.Emit(f)
}

// maxLogged is how many faults of one check are logged. Anybody can make a
// thousand things that can't be looked at, and the log must not be filled by it.
const maxLogged = 100

// Fault notes that a part of the question has no answer: it is logged, if it is
// not one of very many, and counted, and makes the run incomplete. A file that is
// gone is no fault.
func (s *Scan) Fault(op string, err error) {
	switch s.Faults++; {
	case s.Faults <= maxLogged:
		s.Log.Warn("check could not look at everything", "check", s.Check, "op", op, "err", err)
	case s.Faults == maxLogged+1:
		s.Log.Warn("check could not look at very many things: the others are counted only", "check", s.Check, "logged", maxLogged)
	}
}

// Packages answers what the host's package database knows of files, as
// pkgdb.DB does. Whoever is root can change it, so an answer is evidence, not
// proof.
type Packages interface {
	// Owners returns the owning package of each path that has one. Paths are
	// absolute as the host sees them; on a merged /usr both spellings of a
	// path find the owner. One call reads the whole database: collect first,
	// ask once.
	Owners(ctx context.Context, paths []string) (map[string]string, error)
	// Sums returns what the packages say of the contents of each path that
	// they have a sum for.
	Sums(ctx context.Context, paths []string) (map[string]pkgdb.Sum, error)
}

// Memory is what a check knows from its last complete run. It is saved when
// the check returns without an error; a run over a mounted image has an empty
// one and saves nothing.
type Memory struct {
	raw   json.RawMessage
	saved bool
}

// NewMemory returns the memory that an earlier Bytes described; raw may be nil.
func NewMemory(raw json.RawMessage) *Memory { return &Memory{raw: raw} }

// Load fills v, a pointer, with what was saved and reports whether there was
// something. What does not fit v counts as nothing: a memory is only ever a
// hint, and a new version may remember differently.
func (m *Memory) Load(v any) bool {
	return len(m.raw) > 0 && json.Unmarshal(m.raw, v) == nil
}

// Save replaces what the next run will know.
func (m *Memory) Save(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	m.raw, m.saved = raw, true
	return nil
}

// Bytes returns what to keep, and whether this run saved anything.
func (m *Memory) Bytes() (raw json.RawMessage, saved bool) { return m.raw, m.saved }
