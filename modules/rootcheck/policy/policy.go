// SPDX-License-Identifier: Apache-2.0

// Package policy is OSSEC's policy language, rcl: the files that
// <system_audit> and <windows_audit> name. Parse makes rules of text and says
// what is wrong with it, line by line; Evaluate asks a Target and answers for
// each rule. How the target finds its files and processes, and what is sent
// about a rule, is the caller's business.
package policy

import "fmt"

// Policy is one file.
type Policy struct {
	File   string
	Rules  []*Rule
	Faults []Fault
}

// Fault is something in a policy that can't work as written.
type Fault struct {
	File string
	Line int
	Text string // what is wrong
	Hint string // what to write instead; may be ""
	Warn bool   // the rule counts all the same
}

func (f Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// Mode says how the conditions of a rule make one answer.
type Mode int

// The modes. None is Wazuh's: true when no condition is.
const (
	Any Mode = iota
	All
	None
)

func (m Mode) String() string { return [...]string{"any", "all", "none"}[m] }

// Rule is one entry. It is written so that it is true when something is wrong.
type Rule struct {
	Name       string
	Mode       Mode
	Required   bool // when it is false the rest of the file does not apply
	Reference  string
	Line       int
	Conditions []Condition
	Broken     bool // one of its lines has a fault, so it has no answer
}

// Type is the letter before the colon of a condition.
type Type byte

// The types.
const (
	FileType     Type = 'f' // a file is there, or has a line that matches
	DirType      Type = 'd' // a file somewhere below a folder
	ProcessType  Type = 'p' // a process runs
	RegistryType Type = 'r' // a key, value or data of the Windows registry
)

// Condition is one line of a rule.
type Condition struct {
	Line    int
	Type    Type
	Negated bool
	Paths   []string // f and d: any of them; r: the key
	Name    *matcher // d: the base name; r: see Value
	Value   string   // r: the name of the value
	Content *Pattern // f, d: of a line; p: of the process; r: of the data; nil: existence
	Unknown bool     // an unknown variable: it has no say, as in OSSEC
}

// Outcome is the answer to a rule.
type Outcome string

// The outcomes.
const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	NotApplicable Outcome = "not applicable"
	Applies       Outcome = "applies" // a required rule that is true: the policy is meant for this host
	Unknown       Outcome = "unknown" // something could not be read, or the rule is broken
)

// Result is a rule's outcome.
type Result struct {
	Rule    *Rule
	Outcome Outcome
	Details []Detail // what OSSEC names, one message each; empty: one message without
	Reason  string   // why it is not applicable or unknown
}

// True reports whether the rule holds, which is what OSSEC sends.
func (r Result) True() bool { return r.Outcome == Fail || r.Outcome == Applies }

// Detail is a file or a process that made a rule true.
type Detail struct {
	Process bool
	Text    string // as the host has it; escape before use
}

// Score counts outcomes.
type Score struct {
	Pass, Fail, NotApplicable, Unknown int
}

// Count makes the score of results. Required rules only say whom a policy is
// for and do not count.
func Count(results []Result) Score {
	var s Score
	for _, r := range results {
		switch r.Outcome {
		case Pass:
			s.Pass++
		case Fail:
			s.Fail++
		case NotApplicable:
			s.NotApplicable++
		case Unknown:
			s.Unknown++
		}
	}
	return s
}

// Percent is the share of rules that pass among those with an answer, and
// false when there are none.
func (s Score) Percent() (int, bool) {
	if s.Pass+s.Fail == 0 {
		return 0, false
	}
	return 100 * s.Pass / (s.Pass + s.Fail), true
}
