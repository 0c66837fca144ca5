// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"

	"hids/config/xmlconf"
)

// handler takes one element of a section.
type handler func(*xmlconf.Node)

// bad tells of a fault that OSSEC's daemons would not start with either, or
// that would silently reduce what is watched.
func (l *loader) bad(pos Pos, hint, format string, args ...any) {
	if l.src.remote {
		l.faults.Warnf(pos, hint, format+"; left out", args...)
		return
	}
	l.faults.Fatalf(pos, hint, format, args...)
}

func (l *loader) warn(pos Pos, hint, format string, args ...any) {
	l.faults.Warnf(pos, hint, format, args...)
}

// apply reads the sections below the roots of one file.
func (l *loader) apply(src source, roots []*xmlconf.Node) {
	l.src = src
	l.first = firstOnly{}
	for _, root := range roots {
		if root.Name != src.root && (!src.own || root.Name != "ossec_config") {
			l.bad(root.Pos, "", "root element <%s>, want <%s>", root.Name, src.root)
			continue
		}
		l.first.newRoot()
		for _, section := range root.Children {
			l.applySection(section)
		}
	}
}

// otherSections belong to other daemons, OSSEC's and Wazuh's, and are theirs
// to check.
var otherSections = strings.Fields(`rules alerts email_alerts database_output syslog_output agentless
	localfile remote command reports agent-upgrade auth client_buffer cluster fluent-forward gcp-bucket
	gcp-pubsub github indexer integration labels logging ms-graph office365 osquery remote_upgrade
	ruleset sca socket syslog task-manager vulnerability-detection vulnerability-detector wodle`)

func sectionNames() []string {
	return append(slices.Clone(otherSections), "syscheck", "rootcheck", "active-response", "global", "client")
}

func (l *loader) applySection(n *xmlconf.Node) {
	l.section = n.Name
	switch n.Name {
	case "syscheck":
		l.each(n, l.syscheckElements(), l.syscheckOwn())
	case "rootcheck":
		l.each(n, l.rootcheckElements(), l.rootcheckOwn())
	case "active-response":
		l.activeResponse(n)
	case "global":
		l.global(n)
	case "client":
		l.client(n)
	case "settings":
		l.settings(n)
	default:
		if !slices.Contains(otherSections, n.Name) {
			l.bad(n.Pos, l.suggest(n.Name, sectionNames), "unknown section <%s>", n.Name)
		}
	}
}

// each hands the elements of a section to their handlers. own is what only
// hids understands: it is at home in hids.conf, taken from ossec.conf with a
// word of warning, and never taken from a manager.
func (l *loader) each(section *xmlconf.Node, known, own map[string]handler) {
	if len(section.Children) == 0 {
		l.bad(section.Pos, "take it out, or fill it", "<%s> is empty", section.Name)
	}
	for _, n := range section.Children {
		if section.Name == "syscheck" && slices.Contains(meaningless, n.Name) {
			continue
		}
		if take, ok := known[n.Name]; ok {
			l.leaf(n, take)
			continue
		}
		take, ok := own[n.Name]
		switch {
		case !ok:
			l.bad(n.Pos, l.suggest(n.Name, func() []string { return names(known, own) }), "unknown element <%s> in <%s>", n.Name, section.Name)
		case l.src.remote:
			l.warn(n.Pos, "set it in hids.conf of this host", "<%s> is not taken from a manager", n.Name)
		default:
			if !l.src.own {
				l.warn(n.Pos, "move it to hids.conf", "OSSEC's own daemons refuse <%s> here", n.Name)
			}
			l.leaf(n, take)
		}
	}
}

// leaf refuses a section where a value belongs.
func (l *loader) leaf(n *xmlconf.Node, take handler) {
	if len(n.Children) > 0 && n.Name != "diff" && n.Name != "notify" {
		l.bad(n.Pos, "", "<%s> holds elements, but is a value", n.Name)
		return
	}
	take(n)
}

func names(tables ...map[string]handler) []string {
	var all []string
	for _, t := range tables {
		for name := range t {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// origin notes where the setting of n comes from.
func (l *loader) origin(n *xmlconf.Node) {
	name := n.Name
	switch name { // other names of the same setting
	case "max_eps":
		name = "max_events_per_second"
	case "check_policy":
		name = "check_unixaudit"
	}
	l.cfg.Origins[l.section+"."+name] = n.Pos
}

// suggest is didYouMean while anybody still listens.
func (l *loader) suggest(word string, known func() []string) string {
	if l.faults.Full() {
		return ""
	}
	return didYouMean(word, known())
}

// didYouMean names what is closest to a misspelt word, if anything is close.
func didYouMean(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean <" + best + ">?"
}

// distance is Levenshtein's, for words of a sane length.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
