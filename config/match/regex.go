// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Regex is a compiled OS_Regex pattern, the language of rootcheck policies
// ("r:"): \d \w \s \t \p \D \W \S and \. for sets, + and * directly behind an
// escape, ^ and $, | and groups. Unescaped . [ ] { } ? are literals, letters
// match without regard to case. It is safe for use by many goroutines.
type Regex struct {
	pattern string
	re      *regexp.Regexp // nil: matches nothing
}

// classes are OSSEC's sets, in RE2's writing.
var classes = map[byte]string{
	'd': `[0-9]`,
	'D': `[^0-9]`,
	'w': `[A-Za-z0-9@_-]`,
	'W': `[^A-Za-z0-9@_-]`,
	's': ` `,
	'S': `[^ ]`,
	't': `\t`,
	'p': `[!-.:-?\[\]{|}]`,
	'.': `(?s:.)`,
}

// CompileRegex compiles an OS_Regex pattern as OSSEC 4.3 does, which turns it
// into PCRE2; here it becomes RE2, so that matching is linear. The empty
// pattern compiles and matches nothing. A byte of the pattern that is no UTF-8
// matches any such byte.
func CompileRegex(pattern string) (*Regex, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("compile regex: %d bytes, the limit is %d", len(pattern), MaxPattern)
	}
	if pattern == "" {
		return &Regex{}, nil
	}
	t := translator{src: pattern}
	if err := t.run(); err != nil {
		return nil, fmt.Errorf("compile regex %q: %w", pattern, err)
	}
	re, err := regexp.Compile(t.out.String())
	if err != nil {
		return nil, fmt.Errorf("compile regex %q: %w", pattern, err)
	}
	return &Regex{pattern: pattern, re: re}, nil
}

// String returns the pattern as it was written.
func (r *Regex) String() string { return r.pattern }

// MatchString reports whether s contains a match.
func (r *Regex) MatchString(s string) bool { return r.re != nil && r.re.MatchString(s) }

// MatchBytes reports whether b contains a match.
func (r *Regex) MatchBytes(b []byte) bool { return r.re != nil && r.re.Match(b) }

type translator struct {
	src   string
	pos   int
	depth int
	atom  bool // something stands before pos that a quantifier can repeat
	out   strings.Builder
}

func (t *translator) run() error {
	for t.pos < len(t.src) {
		if err := t.step(); err != nil {
			return err
		}
	}
	if t.depth != 0 {
		return fmt.Errorf("%d groups are not closed", t.depth)
	}
	return nil
}

func (t *translator) step() error {
	c := t.src[t.pos]
	switch {
	case c == '\\':
		return t.escape()
	case (c == '+' || c == '*') && t.afterEscape():
		return t.quantifier(c)
	case c == '(' || c == ')' || c == '|':
		return t.group(c)
	case c == '^':
		t.write(`\A`, 1)
	case c == '$':
		t.write(`\z`, 1)
	default:
		t.literal(t.pos)
	}
	return nil
}

// afterEscape tells whether + or * repeats what stands before it. OSSEC looks
// for a backslash two bytes back, so in \\d+ it is the letter that is repeated.
func (t *translator) afterEscape() bool {
	return t.pos >= 2 && t.src[t.pos-2] == '\\'
}

func (t *translator) quantifier(c byte) error {
	if !t.atom {
		return fmt.Errorf("nothing to repeat before %q at byte %d", c, t.pos)
	}
	t.write(string(c), 1)
	t.atom = false
	return nil
}

func (t *translator) group(c byte) error {
	switch c {
	case '(':
		t.depth++
		t.write(`(?:`, 1)
	case ')':
		t.depth--
		t.write(`)`, 1)
	case '|':
		t.write(`|`, 1)
	}
	t.atom = c == ')'
	if t.depth < 0 {
		return fmt.Errorf("closing parenthesis without an opening one at byte %d", t.pos-1)
	}
	return nil
}

func (t *translator) escape() error {
	if t.pos+1 == len(t.src) {
		return fmt.Errorf("backslash at the end")
	}
	c := t.src[t.pos+1]
	if class, ok := classes[c]; ok {
		t.write(class, 2)
		return nil
	}
	if strings.IndexByte(`\()$|<{}[]`, c) < 0 {
		return fmt.Errorf("unknown escape \\%c at byte %d", c, t.pos)
	}
	t.write(regexp.QuoteMeta(string(c)), 2)
	return nil
}

func (t *translator) literal(at int) {
	r, n := utf8.DecodeRuneInString(t.src[at:])
	t.write(`(?i:`+regexp.QuoteMeta(string(r))+`)`, n)
}

func (t *translator) write(s string, consumed int) {
	t.out.WriteString(s)
	t.pos += consumed
	t.atom = true
}
