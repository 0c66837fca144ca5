// SPDX-License-Identifier: Apache-2.0

// Package arconf reads ar.conf, the table of active responses that a manager
// pushes to its agents. It turns bytes into entries and faults; whether a
// program exists, and running it, is execd's business.
package arconf

import (
	"bytes"
	"strings"
	"time"

	"hids/config/fault"
)

// Entry is one line: "name - executable - timeout".
type Entry struct {
	Name       string        // "firewall-drop600", as requests name it
	Executable string        // below active-response/bin; "" when it was refused
	Timeout    time.Duration // 0: never undone; negative: undone at once, as in OSSEC
	Pos        fault.Pos
}

// Table is all entries of a file. The zero Table is empty.
type Table struct {
	entries []Entry
	byName  map[string][]int
}

// Entries returns the entries in the order of the file, duplicates included.
// The caller must not change them.
func (t Table) Entries() []Entry { return t.entries }

// Len returns the number of entries, duplicates included.
func (t Table) Len() int { return len(t.entries) }

// Lookup finds the entry for name by OSSEC's rule for duplicates, which lets
// one file serve several systems: the first whose executable exists gives the
// program, the first of all gives the timeout. When none exists, Executable is
// empty. The bool says whether the name is in the table at all.
func (t Table) Lookup(name string, exists func(executable string) bool) (Entry, bool) {
	same := t.byName[name]
	if len(same) == 0 {
		return Entry{}, false
	}
	entry := t.entries[same[0]]
	entry.Executable = ""
	for i, at := range same {
		e := t.entries[at]
		if e.Executable == "" || !exists(e.Executable) {
			continue
		}
		if i > 0 {
			entry.Pos = e.Pos
		}
		entry.Executable = e.Executable
		break
	}
	return entry, true
}

// Parse reads a whole file; name is for positions only. Blank lines and lines
// that start with # are skipped, CRLF is taken, there is no limit on size.
// What is malformed is left out and told as a fault; no fault is fatal, for a
// bad line must not take the good ones away.
func Parse(name string, data []byte) (Table, []fault.Fault) {
	p := parser{pos: fault.Pos{File: name}}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for line := range bytes.Lines(data) {
		p.pos.Line++
		p.line(strings.TrimRight(string(line), "\r\n"))
	}
	return p.table, p.faults
}

const separator = " - "

type parser struct {
	table  Table
	faults fault.List
	pos    fault.Pos
}

func (p *parser) at(column int) fault.Pos {
	pos := p.pos
	pos.Column = column + 1
	return pos
}

func (p *parser) line(s string) {
	if rest := strings.TrimLeft(s, " \t"); rest == "" || rest[0] == '#' {
		return
	}
	name, rest, ok := strings.Cut(s, separator)
	executable, timeout, ok2 := strings.Cut(rest, separator)
	if !ok || !ok2 || name == "" {
		p.faults.Warnf(p.at(0), `write "name - executable - timeout", with one blank on each side of the hyphens`,
			"malformed active response %q, line left out", clip(s))
		return
	}
	exeColumn := len(name) + len(separator)
	p.add(Entry{
		Name:       name,
		Executable: p.executable(executable, exeColumn),
		Timeout:    p.timeout(timeout, exeColumn+len(executable)+len(separator)),
		Pos:        p.at(0),
	})
}

func (p *parser) add(e Entry) {
	if p.table.byName == nil {
		p.table.byName = map[string][]int{}
	}
	p.table.byName[e.Name] = append(p.table.byName[e.Name], len(p.table.entries))
	p.table.entries = append(p.table.entries, e)
}

// executable refuses what could name a program outside of active-response/bin.
// Both separators count on every system: the file is written elsewhere.
func (p *parser) executable(s string, column int) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '\\' })
	for _, part := range parts {
		if part == ".." {
			p.faults.Warnf(p.at(column), "the program must lie below active-response/bin",
				"executable %q leaves its folder, refused", clip(s))
			return ""
		}
	}
	if len(parts) == 0 || strings.ContainsRune(s, 0) {
		p.faults.Warnf(p.at(column), "give the name of a program below active-response/bin",
			"executable %q names no file, refused", clip(s))
		return ""
	}
	return s
}

// maxSeconds keeps a timeout within time.Duration and within reason: 100 years.
const maxSeconds = 100 * 365 * 24 * 3600

// timeout reads seconds as C's atoi does, which is what OSSEC uses: blanks, a
// sign, digits; what follows is dropped.
func (p *parser) timeout(s string, column int) time.Duration {
	digits := strings.TrimLeft(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	n, length := int64(0), 0
	for length < len(digits) && digits[length]-'0' <= 9 {
		n = min(n*10+int64(digits[length]-'0'), maxSeconds)
		length++
	}
	if rest := strings.TrimSpace(digits[length:]); length == 0 || rest != "" || negative {
		p.faults.Warnf(p.at(column), "write whole seconds; 0 means that it is never undone",
			"timeout %q is read as %d seconds", clip(s), signed(n, negative))
	}
	return time.Duration(signed(n, negative)) * time.Second
}

func signed(n int64, negative bool) int64 {
	if negative {
		return -n
	}
	return n
}

// clip keeps a message readable when the line is not.
func clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
