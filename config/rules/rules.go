// SPDX-License-Identifier: Apache-2.0

// Package rules says what the configuration means for one path: which
// <directories> entry watches it, how deep, and what ignores it or keeps its
// content out of diffs. Paths go in and answers come out; it reads no file
// system, so that the scan, realtime and `hids config explain` agree.
package rules

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"hids/config"
)

// Rules answers for a path. It is safe for use by many goroutines, and its
// methods allocate nothing except Roots and Explain.
type Rules struct {
	entries []config.Directory
	byPath  map[string]int
	ignore  matcher
	noDiff  matcher
}

// New makes the rules of a configuration whose globs are expanded (Expand).
// An entry that still has a glob is taken by its letter. Of two entries for the
// same path the first counts, as in OSSEC.
func New(s *config.Syscheck) *Rules {
	r := &Rules{
		byPath: make(map[string]int, len(s.Directories)),
		ignore: newMatcher(s.Ignore),
		noDiff: newMatcher(s.NoDiff),
	}
	for _, d := range s.Directories {
		d.Path = clean(d.Path)
		if _, twice := r.byPath[d.Path]; twice {
			continue
		}
		r.byPath[d.Path] = len(r.entries)
		r.entries = append(r.entries, d)
	}
	return r
}

// clean is path.Clean that leaves alone what is clean already.
func clean(p string) string { return path.Clean(p) }

// For returns the entry that watches the file p, which must be clean and
// absolute: of those that reach it and whose restrict lets it through, the one
// with the longest path. Ignore rules are asked apart.
func (r *Rules) For(p string) (config.Directory, bool) {
	i := r.find(p, func(d *config.Directory, depth int) bool {
		return reaches(d, depth) && (d.Restrict == nil || d.Restrict.MatchString(p))
	})
	if i < 0 {
		return config.Directory{}, false
	}
	return r.entries[i], true
}

// ForDir returns the entry that watches the directory p. Restrict is for files
// only and does not count.
func (r *Rules) ForDir(p string) (config.Directory, bool) {
	i := r.find(p, reaches)
	if i < 0 {
		return config.Directory{}, false
	}
	return r.entries[i], true
}

// Descend reports whether a walk must enter the directory p: whether an entry
// reaches what lies directly in it.
func (r *Rules) Descend(p string) bool {
	return r.find(p, func(d *config.Directory, depth int) bool { return reaches(d, depth+1) }) >= 0
}

// Ignored returns the first ignore rule that p meets. A walk does not enter an
// ignored directory, so that what lies below it is ignored too.
func (r *Rules) Ignored(p string) (config.PathRule, bool) { return r.ignore.match(p) }

// NoDiff returns the first nodiff rule that p meets: its content must not be
// copied or shown.
func (r *Rules) NoDiff(p string) (config.PathRule, bool) { return r.noDiff.match(p) }

// Directories returns the entries in the order in which they were configured,
// without doubles. The caller must not change them.
func (r *Rules) Directories() []config.Directory { return r.entries }

// Roots returns where walks must start, sorted: the entries that no walk from
// another entry comes to. No root is below another unless the upper one stops
// short of it.
func (r *Rules) Roots() []string {
	var roots []string
	for i := range r.entries {
		if !r.reachedFromAbove(r.entries[i].Path) {
			roots = append(roots, r.entries[i].Path)
		}
	}
	slices.SortFunc(roots, walkOrder)
	return roots
}

// walkOrder compares as a walk meets paths: what is in a directory comes before
// what merely begins with its name.
func walkOrder(a, b string) int {
	return cmp.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// reachedFromAbove tells whether a walk from an entry above p comes to p. It
// goes up from p: every folder on the way must be entered and not ignored.
func (r *Rules) reachedFromAbove(p string) bool {
	if _, ignored := r.Ignored(p); ignored {
		return false
	}
	for up := parent(p); up != ""; up = parent(up) {
		if !r.Descend(up) {
			return false
		}
		if _, entry := r.byPath[up]; entry {
			return true
		}
		if _, ignored := r.Ignored(up); ignored {
			return false
		}
	}
	return false
}

// find walks from p up to the root and returns the first entry that ok takes,
// or -1. depth is how many names p has below the entry.
func (r *Rules) find(p string, ok func(d *config.Directory, depth int) bool) int {
	for at, depth := p, 0; at != ""; at, depth = parent(at), depth+1 {
		if i, found := r.byPath[at]; found && ok(&r.entries[i], depth) {
			return i
		}
	}
	return -1
}

// reaches tells whether an entry covers what lies depth names below it. A
// recursion level of 0 is the directory's own entries, at depth 1.
func reaches(d *config.Directory, depth int) bool {
	return d.RecursionLevel < 0 || depth <= d.RecursionLevel+1
}

// parent returns the directory above p, "" above the root.
func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	switch {
	case i > 0:
		return p[:i]
	case i == 0 && len(p) > 1:
		return "/"
	default:
		return ""
	}
}
