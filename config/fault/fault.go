// SPDX-License-Identifier: Apache-2.0

// Package fault says what is wrong with a configuration file, and where. It is
// shared by the readers of all dialects; it knows none of them, prints nothing
// and ends nothing.
package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// Pos is where a value was written: Line and Column count from 1, Column in
// bytes. The zero Pos is a default.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns file:line:column, without what is not known.
func (p Pos) String() string {
	switch {
	case p == Pos{}:
		return "default"
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return p.File + ":" + strconv.Itoa(p.Line)
	default:
		return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
	}
}

// Fault is one thing that is wrong. Text taken from a file stands quoted in
// Message and Hint, so that it can't reach a terminal raw.
type Fault struct {
	Pos     Pos    `json:"pos"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
	Fatal   bool   `json:"fatal"`          // the configuration can't be used
}

// Error returns "file:line:column: message", and the hint on a second line.
func (f Fault) Error() string {
	s := f.Pos.String() + ": " + f.Message
	if f.Hint != "" {
		s += "\n  hint: " + f.Hint
	}
	return s
}

// MaxFaults is how many faults one List keeps: enough for a person, and a
// bound on what a hostile file can make hids say.
const MaxFaults = 200

// List is faults in the order in which they were found.
type List []Fault

// Add appends f. From MaxFaults on only the first fatal fault still enters.
func (l *List) Add(f Fault) {
	if l.takes(f.Fatal) {
		*l = append(*l, f)
	}
}

func (l List) takes(fatal bool) bool {
	return len(l) < MaxFaults || (fatal && !l.Fatal())
}

// Full reports whether only a first fatal fault would still be kept, so that
// nobody has to look for hints.
func (l List) Full() bool { return len(l) >= MaxFaults }

// Fatalf adds a fatal fault.
func (l *List) Fatalf(pos Pos, hint, format string, args ...any) {
	if l.takes(true) {
		*l = append(*l, Fault{Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint, Fatal: true})
	}
}

// Warnf adds a fault with which the configuration still works.
func (l *List) Warnf(pos Pos, hint, format string, args ...any) {
	if l.takes(false) {
		*l = append(*l, Fault{Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// Append adds all of faults.
func (l *List) Append(faults []Fault) {
	for _, f := range faults {
		l.Add(f)
	}
}

// Fatal reports whether one fault is fatal.
func (l List) Fatal() bool {
	for _, f := range l {
		if f.Fatal {
			return true
		}
	}
	return false
}

// Error returns all faults, one below the other.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, f := range l {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns the list as an error when a fault in it is fatal, else nil.
func (l List) Err() error {
	if l.Fatal() {
		return l
	}
	return nil
}
