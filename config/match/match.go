// SPDX-License-Identifier: Apache-2.0

// Package match has OSSEC's two pattern languages, OS_Match and OS_Regex. A
// pattern is compiled once; matching allocates nothing and takes time linear in
// the subject. Where the versions of OSSEC differ, 4.3.0 is right.
package match

// Match is a compiled OS_Match pattern ("sregex"): literals, | between
// alternatives, ^ and $ at the ends of one, letters without regard to case.
type Match struct{ pattern string }

// Compile compiles an OS_Match pattern.
func Compile(pattern string) (*Match, error) { return &Match{pattern}, nil }

// String returns the pattern as it was written.
func (m *Match) String() string { return m.pattern }
