// SPDX-License-Identifier: Apache-2.0

// Package match has OSSEC's two pattern languages, OS_Match and OS_Regex. A
// pattern is compiled once; matching allocates nothing and takes time linear in
// the subject. Where the versions of OSSEC differ, 4.3.0 is right. What a
// pattern is applied to, and when, does not belong here.
package match

import (
	"fmt"
	"strings"
)

// MaxPattern is the longest pattern that compiles, in bytes. OSSEC stops at
// 2,048; ours leaves room for generated lists.
const MaxPattern = 8192

// Match is a compiled OS_Match pattern, OSSEC's "sregex": literals, | between
// alternatives, ^ and $ at the ends of one, letters without regard to case.
// There are no wildcards and no escapes: ".log$" means "ends in .log". An empty
// alternative matches everything. It is safe for use by many goroutines.
type Match struct {
	pattern string
	alts    []alternative
}

// Compile compiles an OS_Match pattern. Only one longer than MaxPattern is
// refused: everything else means something, if not always what was hoped for.
func Compile(pattern string) (*Match, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("compile pattern: %d bytes, the limit is %d", len(pattern), MaxPattern)
	}
	m := &Match{pattern: pattern}
	for alt := range strings.SplitSeq(pattern, "|") {
		m.alts = append(m.alts, parseAlternative(alt))
	}
	return m, nil
}

// String returns the pattern as it was written.
func (m *Match) String() string { return m.pattern }

// MatchString reports whether s matches.
func (m *Match) MatchString(s string) bool { return matchAlternatives(m.alts, s) }

// MatchBytes reports whether b matches.
func (m *Match) MatchBytes(b []byte) bool { return matchAlternatives(m.alts, b) }

// Impossible returns the first alternative that matches nothing, "" if there
// is none: OSSEC 4.3 takes a ^ or $ in the middle for an anchor.
func (m *Match) Impossible() string {
	for i := range m.alts {
		if m.alts[i].kind == never {
			return strings.Split(m.pattern, "|")[i]
		}
	}
	return ""
}

// Everything reports whether the pattern matches every subject.
func (m *Match) Everything() bool {
	for i := range m.alts {
		if m.alts[i].kind == always {
			return true
		}
	}
	return false
}

func matchAlternatives[T text](alts []alternative, s T) bool {
	for i := range alts {
		if matchOne(&alts[i], s) {
			return true
		}
	}
	return false
}

func matchOne[T text](a *alternative, s T) bool {
	switch a.kind {
	case always:
		return true
	case empty:
		return len(s) == 0
	case substring:
		return contains(a, s)
	case prefix:
		return hasPrefix(a, s) >= 0
	case whole:
		return hasPrefix(a, s) == len(s)
	case suffix:
		return hasSuffix(a, s)
	default:
		return false
	}
}
