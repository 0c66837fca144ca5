// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Kind says how sure a finding is of being hostile.
type Kind string

// The kinds. Rootkit is kept for what has no innocent explanation that the
// check could not rule out: a clean system must have none.
const (
	Rootkit    Kind = "rootkit"
	Suspicious Kind = "suspicious" // often malware, sometimes an admin; look at it
	Policy     Kind = "policy"     // a setting that should be different
	Info       Kind = "info"       // a fact worth knowing; changes nothing in the exit code
)

// Finding is one thing that a check has to say. Text that comes from outside
// (names of files, processes, users) goes in as it is in Thing, State, Path,
// Exe and the values of Evidence; whoever prints or sends a finding escapes
// these. In Title, Why and Wire it must already have gone through
// event.SafeText.
type Finding struct {
	Kind     Kind `json:"kind"`
	Severity int  `json:"severity"` // 0 to 15, OSSEC's levels; 0: that of the kind

	// Rule is a short constant name for this sort of finding within the
	// check: "deleted-executable". Thing is what it is about: the path, the
	// port, the module. Check, Rule and Thing together are the ID, so nothing
	// that changes from run to run (pids of daemons, times, counters) belongs
	// there. State is what an admin accepts together with the thing: its hash,
	// mode, owner. When State changes an accepted finding comes back.
	Rule  string `json:"rule"`
	Thing string `json:"-"`
	State string `json:"-"`

	Title    string            `json:"title"`              // what was found, one sentence with a full stop
	Why      string            `json:"why"`                // why it matters, and what may explain it
	Advice   string            `json:"advice,omitempty"`   // how to look closer: a command
	Evidence map[string]string `json:"evidence,omitempty"` // facts, snake_case keys

	// Wire is the text for OSSEC's queue, byte for byte, without the queue
	// header; "" keeps the finding local. A manager alerts once for each
	// distinct text, so it holds nothing volatile.
	Wire string `json:"wire,omitempty"`

	Path string `json:"path,omitempty"` // the file it is about, as the host sees it
	PID  int    `json:"pid,omitempty"`
	Exe  string `json:"exe,omitempty"`

	// Filled in by Scan.Report.
	Check       string `json:"check"`
	ID          string `json:"id"`          // 12 hex digits
	Fingerprint string `json:"fingerprint"` // of State
}

// identify fills in what is derived.
func (f *Finding) identify(name string) {
	f.Check = name
	f.ID = digest(name, f.Rule, f.Thing)
	f.Fingerprint = digest(f.State)
	if f.Severity == 0 {
		f.Severity = f.Kind.severity()
	}
}

// Size is about how many bytes the finding takes.
func (f *Finding) Size() int {
	n := len(f.Rule) + len(f.Thing) + len(f.State) + len(f.Title) + len(f.Why) + len(f.Advice) + len(f.Wire) + len(f.Path) + len(f.Exe)
	for k, v := range f.Evidence {
		n += len(k) + len(v)
	}
	return n
}

func (k Kind) severity() int {
	switch k {
	case Rootkit:
		return 11
	case Suspicious:
		return 7
	case Policy:
		return 3
	}
	return 2
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		io.WriteString(h, p)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
