// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"hids/config"
)

// Explanation is what the configuration means for one path, and why.
type Explanation struct {
	Path      string
	Watched   bool
	Entry     *config.Directory // the entry that counts; nil if none reaches the path
	Ignore    *config.PathRule  // the rule that ignores the path; nil if none
	IgnoredAt string            // the path or the directory above it that Ignore met
	NoDiff    *config.PathRule  // the rule that keeps its content out of diffs; nil if none
	Diff      bool              // changes of its content are shown
	Reasons   []string          // one sentence each, in the order of the decision
}

// Explain says what the rules mean for p. isDir says that it is a directory,
// for which restrict does not count.
func (r *Rules) Explain(p string, isDir bool) Explanation {
	e := Explanation{Path: clean(p)}
	r.explainEntry(&e, isDir)
	if e.Entry == nil {
		return e
	}
	r.explainIgnore(&e)
	e.Watched = e.Ignore == nil
	if e.Watched && !isDir {
		r.explainDiff(&e)
	}
	return e
}

func (e *Explanation) because(format string, args ...any) {
	e.Reasons = append(e.Reasons, fmt.Sprintf(format, args...))
}

// explainEntry goes the way of find, and keeps the reasons.
func (r *Rules) explainEntry(e *Explanation, isDir bool) {
	seen := false
	for at, depth := e.Path, 0; at != ""; at, depth = parent(at), depth+1 {
		i, found := r.byPath[at]
		if !found {
			continue
		}
		d := &r.entries[i]
		switch {
		case e.Entry != nil:
			e.because("%s would cover it too, but a more specific entry counts", describe(d))
		case !reaches(d, depth):
			e.because("%s does not reach it: recursion_level %d, and it lies %d deep", describe(d), d.RecursionLevel, depth-1)
		case !isDir && d.Restrict != nil && !d.Restrict.MatchString(e.Path):
			e.because("%s does not take it: restrict is %q", describe(d), d.Restrict)
		default:
			e.Entry = d
			e.because("%s watches it", describe(d))
		}
		seen = true
	}
	if !seen {
		e.because("no <directories> entry covers it")
	}
}

// explainIgnore looks at the path and at every folder between it and where its
// walk starts: an ignored folder is never entered.
func (r *Rules) explainIgnore(e *Explanation) {
	for at := e.Path; at != ""; at = parent(at) {
		if rule, ok := r.Ignored(at); ok {
			e.Ignore, e.IgnoredAt = &rule, at
			e.because("%s ignores %s", ruleText("ignore", &rule), at)
			return
		}
		if at == e.Entry.Path {
			return
		}
	}
}

func (r *Rules) explainDiff(e *Explanation) {
	if !e.Entry.ReportChanges {
		return
	}
	if rule, ok := r.NoDiff(e.Path); ok {
		e.NoDiff = &rule
		e.because("%s keeps its content out of diffs", ruleText("nodiff", &rule))
		return
	}
	e.Diff = true
	e.because("report_changes shows changes of its content")
}

func ruleText(element string, rule *config.PathRule) string {
	if rule.Pattern != nil {
		return fmt.Sprintf("<%s type=\"sregex\"> %q (%s)", element, rule.Pattern, rule.Pos)
	}
	return fmt.Sprintf("<%s> %q (%s)", element, rule.Prefix, rule.Pos)
}
