// SPDX-License-Identifier: Apache-2.0

package rules

import "hids/config"

// matcher finds the first of many path rules that a path meets.
type matcher struct {
	rules []config.PathRule
}

func newMatcher(rules []config.PathRule) matcher { return matcher{rules} }

func (m *matcher) match(p string) (config.PathRule, bool) {
	for i := range m.rules {
		if meets(&m.rules[i], p) {
			return m.rules[i], true
		}
	}
	return config.PathRule{}, false
}

func meets(rule *config.PathRule, p string) bool {
	if rule.Pattern != nil {
		return rule.Pattern.MatchString(p)
	}
	return hasPrefixFold(p, rule.Prefix)
}

// hasPrefixFold is OSSEC's compare for ignore and nodiff: ASCII letters without
// regard to case, and no boundary at the end of a name, so that /etc/mtab also
// covers /etc/mtab.bak.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if s[i] != prefix[i] && lower(s[i]) != lower(prefix[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		return c + ('a' - 'A')
	}
	return c
}
