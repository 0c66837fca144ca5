// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"

	"hids/config/match"
)

// Pattern is what a condition asks of a line: parts joined by " && " that must
// all hold for the same one.
type Pattern struct {
	parts []part
	// everyLine is set when each part is negated: then every line of the
	// file must satisfy all of them, instead of some line.
	everyLine bool
}

type part struct {
	negated bool
	op      operator
	text    string
	regex   *match.Regex // op matches; nil: does not compile and never matches
}

type operator byte

const (
	equals  operator = '=' // the whole line, ASCII letters without regard to case
	matches operator = 'r'
	before  operator = '<' // the text sorts before the line
	after   operator = '>' // the text sorts after the line
)

// ParsePattern reads a pattern. With an error the pattern is usable all the
// same: a part whose regular expression does not compile never matches, as in
// OSSEC.
func ParsePattern(s string) (*Pattern, error) {
	p := &Pattern{everyLine: true}
	var errs []error
	for text := range strings.SplitSeq(s, " && ") {
		q, err := parsePart(text)
		errs = append(errs, err)
		p.everyLine = p.everyLine && q.negated
		p.parts = append(p.parts, q)
	}
	return p, errors.Join(errs...)
}

func parsePart(s string) (q part, err error) {
	s, q.negated = strings.CutPrefix(s, "!")
	q.op, q.text = equals, s
	if len(s) < 2 || s[1] != ':' {
		return q, nil
	}
	switch s[0] {
	case '=', '<', '>':
		q.op, q.text = operator(s[0]), s[2:]
	case 'r', 'R':
		q.op, q.text = matches, s[2:]
		q.regex, err = match.CompileRegex(q.text)
		if err != nil {
			q.regex = nil
		}
	}
	return q, err
}

// Match reports whether one line satisfies the pattern.
func (p *Pattern) Match(line string) bool {
	for i := range p.parts {
		if p.parts[i].holds(line) == p.parts[i].negated {
			return false
		}
	}
	return true
}

func (q *part) holds(line string) bool {
	switch q.op {
	case matches:
		return q.regex != nil && q.regex.MatchString(line)
	case before:
		return q.text < line
	case after:
		return q.text > line
	}
	return equalFoldASCII(q.text, line)
}

func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// matcher tests the base name of a file: r: is OS_Regex, else OS_Match.
type matcher struct {
	regex *match.Regex
	match *match.Match
}

// parseName reads a name. With an error the matcher never matches.
func parseName(s string) (*matcher, error) {
	if len(s) >= 2 && (s[0] == 'r' || s[0] == 'R') && s[1] == ':' {
		re, err := match.CompileRegex(s[2:])
		if err != nil {
			return &matcher{}, err
		}
		return &matcher{regex: re}, nil
	}
	m, err := match.Compile(s)
	if err != nil {
		return &matcher{}, err
	}
	return &matcher{match: m}, nil
}

func (m *matcher) matches(name string) bool {
	switch {
	case m.regex != nil:
		return m.regex.MatchString(name)
	case m.match != nil:
		return m.match.MatchString(name)
	}
	return false
}
