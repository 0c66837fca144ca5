// SPDX-License-Identifier: Apache-2.0

package rules

import "hids/config"

// Selector is the rules as a walk asks for them: before it knows whether a path
// is a file, so that restrict is left to the walk.
type Selector struct{ rules *Rules }

// Selector returns the rules in the form a walk wants.
func (r *Rules) Selector() Selector { return Selector{r} }

// Roots returns the path of every entry, in the order of the configuration.
func (s Selector) Roots() []string {
	roots := make([]string, len(s.rules.entries))
	for i := range s.rules.entries {
		roots[i] = s.rules.entries[i].Path
	}
	return roots
}

// For returns the entry with the longest path that reaches p by its recursion
// limit, and that path. nil: p is not watched. The caller must not change the
// entry.
func (s Selector) For(p string) (*config.Directory, string) {
	i := s.rules.find(p, reaches)
	if i < 0 {
		return nil, ""
	}
	d := &s.rules.entries[i]
	return d, d.Path
}

// Ignored reports whether an ignore rule covers p.
func (s Selector) Ignored(p string) bool {
	_, ignored := s.rules.Ignored(p)
	return ignored
}
