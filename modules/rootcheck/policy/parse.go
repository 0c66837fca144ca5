// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// MaxLine is the longest line that is read, in bytes. OSSEC cuts at 1,023.
const MaxLine = 64 << 10

// Parse reads a policy. It never fails: a line that can't be understood is a
// Fault and breaks its rule, and the rest of the file counts (OSSEC 4.3 leaves
// the rest of the file out).
func Parse(file string, data []byte) *Policy {
	p := &parser{policy: &Policy{File: file}, vars: map[string]string{}}
	for text := range strings.Lines(string(data)) {
		p.line++
		p.parseLine(text)
	}
	return p.policy
}

type parser struct {
	policy *Policy
	vars   map[string]string
	rule   *Rule // nil before the first header
	lost   bool  // after a header that can't be read: its conditions go with it
	line   int
}

func (p *parser) fault(warn bool, hint, format string, args ...any) {
	p.policy.Faults = append(p.policy.Faults, Fault{
		File: p.policy.File, Line: p.line, Text: fmt.Sprintf(format, args...), Hint: hint, Warn: warn,
	})
}

func (p *parser) parseLine(text string) {
	text = strings.TrimLeft(strings.TrimRight(text, "\r\n"), " \t")
	switch {
	case text == "" || text[0] == '#':
	case len(text) > MaxLine:
		p.breakRule("", "line of %d bytes, the limit is %d", len(text), MaxLine)
	case text[0] == '$':
		p.parseVariable(text)
	case text[0] == '[':
		p.parseHeader(strings.TrimRight(text, " \t"))
	case p.lost:
	case p.rule == nil:
		p.fault(false, "begin with a line [name] [any] [reference]", "condition before the first rule")
	default:
		p.parseCondition(text)
	}
}

// breakRule is a fault that takes the answer of the current rule away: a rule
// with a condition less would answer another question.
func (p *parser) breakRule(hint, format string, args ...any) {
	p.fault(false, hint, format, args...)
	if p.rule != nil {
		p.rule.Broken = true
	}
}

// parseVariable reads $name=value;. The first definition of a name holds. A
// variable may stand anywhere before its use; OSSEC wants it before the rules.
func (p *parser) parseVariable(text string) {
	key, rest, ok := strings.Cut(text, "=")
	value, _, end := strings.Cut(rest, ";")
	switch {
	case !ok || !end:
		p.fault(false, "write $name=value;", "variable without = or ;")
	case len(key) < 2:
		p.fault(false, "write $name=value;", "variable without a name")
	default:
		if _, dup := p.vars[key]; !dup {
			p.vars[key] = value
		}
	}
}

// parseHeader reads [name] [mode] [reference]. As in OSSEC any one character
// may stand between the parts; unlike there, any number of blanks may as well.
func (p *parser) parseHeader(text string) {
	p.rule, p.lost = nil, true
	name, rest, ok1 := bracket(text)
	mode, rest, ok2 := nextBracket(rest, ok1)
	ref, rest, ok3 := nextBracket(rest, ok2)
	if !ok3 || rest != "" {
		p.fault(false, "write [name] [any|all|none] [reference], the reference may be empty: []",
			"header of a rule can't be read; the rule is left out")
		return
	}
	m, required, ok := parseMode(mode)
	if !ok {
		p.fault(false, "write any, all, none, any required or all required",
			"unknown mode %q; rule %q is left out", mode, name)
		return
	}
	p.rule, p.lost = &Rule{Name: name, Mode: m, Required: required, Reference: ref, Line: p.line}, false
	p.policy.Rules = append(p.policy.Rules, p.rule)
}

func bracket(s string) (inside, rest string, ok bool) {
	if s == "" || s[0] != '[' {
		return "", s, false
	}
	return strings.Cut(s[1:], "]")
}

func nextBracket(s string, ok bool) (inside, rest string, found bool) {
	if !ok || s == "" {
		return "", s, false
	}
	if trimmed := strings.TrimLeft(s, " \t"); trimmed != s || s[0] == '[' {
		return bracket(trimmed)
	}
	return bracket(s[1:])
}

func parseMode(s string) (mode Mode, required, ok bool) {
	word, required := strings.CutSuffix(s, " required")
	switch word {
	case "any":
		return Any, required, true
	case "all":
		return All, required, true
	case "none":
		return None, required, true
	}
	return Any, false, false
}

// parseCondition reads [!]type[!]:[!]rest;. OSSEC takes a ! before the type
// and forgets it, and refuses one after it; both mean what they look like here.
func (p *parser) parseCondition(text string) {
	c := Condition{Line: p.line}
	rest, before := strings.CutPrefix(text, "!")
	letter, rest, ok := strings.Cut(rest, ":")
	letter, after := strings.CutSuffix(letter, "!")
	if !ok || len(letter) != 1 || !strings.Contains("fdpr", letter) {
		p.breakRule("a condition begins with f:, d:, p: or r:", "unknown condition; the rule has no answer")
		return
	}
	rest, inner := strings.CutPrefix(rest, "!")
	c.Type = Type(letter[0])
	c.Negated = before != after != inner
	body, ok := endCondition(rest)
	if !ok {
		p.breakRule("end the condition with ;", "condition without ; at its end; the rule has no answer")
		return
	}
	p.fill(&c, body)
	p.rule.Conditions = append(p.rule.Conditions, c)
}

// endCondition cuts at the first ;, as OSSEC does. Only where what is left
// then is not a pattern that compiles, and the line ends with another ;, that
// one is the end.
func endCondition(s string) (string, bool) {
	first, rest, ok := strings.Cut(s, ";")
	if !ok || rest == "" {
		return first, ok
	}
	whole, long := strings.CutSuffix(strings.TrimRight(s, " \t"), ";")
	if !long || contentCompiles(first) || !contentCompiles(whole) {
		return first, true
	}
	return whole, true
}

func contentCompiles(body string) bool {
	i := strings.LastIndex(body, arrow)
	if i < 0 {
		return true
	}
	_, err := ParsePattern(body[i+len(arrow):])
	return err == nil
}

// arrow stands between a target and what is asked of it, with exactly these
// blanks.
const arrow = " -> "

// fill reads the part after the colon.
func (p *parser) fill(c *Condition, body string) {
	if c.Type == ProcessType {
		c.Content = p.pattern(body)
		return
	}
	target, arg, hasArg := strings.Cut(body, arrow)
	c.Paths = p.targets(c, target)
	switch c.Type {
	case DirType:
		p.fillDir(c, arg, hasArg)
	case RegistryType:
		value, content, hasContent := strings.Cut(arg, arrow)
		c.Value = value
		if hasContent {
			c.Content = p.pattern(content)
		}
	default:
		if hasArg {
			c.Content = p.pattern(arg)
		}
	}
}

func (p *parser) fillDir(c *Condition, arg string, hasArg bool) {
	if !hasArg {
		// OSSEC 2.8.3 crashes here; 4.3 leaves the condition out.
		p.fault(true, "write d:/folder -> name;", "folder without a name to look for; the condition has no say")
		c.Unknown = true
		return
	}
	name, content, hasContent := strings.Cut(arg, arrow)
	m, err := parseName(name)
	if err != nil {
		p.fault(true, "", "name %q never matches: %v", name, err)
	}
	c.Name = m
	if hasContent {
		c.Content = p.pattern(content)
	}
}

// targets resolves a variable and splits the list.
func (p *parser) targets(c *Condition, target string) []string {
	if c.Type == RegistryType {
		return []string{target}
	}
	if strings.HasPrefix(target, "$") {
		value, ok := p.vars[target]
		if !ok {
			p.fault(true, "define it in an earlier line: "+target+"=...;", "unknown variable %q; the condition has no say", target)
			c.Unknown = true
			return nil
		}
		target = value
	}
	return splitList(target)
}

// splitList splits at the commas that a new absolute path follows, so a name
// may hold one: /a,b,/c is /a,b and /c.
func splitList(s string) []string {
	var out []string
	start := 0
	for i := range len(s) {
		if s[i] == ',' && absolute(strings.TrimLeft(s[i+1:], " ")) {
			out = append(out, strings.TrimLeft(s[start:i], " "))
			start = i + 1
		}
	}
	return append(out, strings.TrimLeft(s[start:], " "))
}

// absolute knows the spellings of both systems, as a policy is checked on one
// for the other too.
func absolute(s string) bool {
	if s == "" {
		return false
	}
	letter := s[0] | 0x20
	drive := len(s) > 2 && s[1] == ':' && letter >= 'a' && letter <= 'z'
	return drive || strings.IndexByte(`/\%`, s[0]) >= 0
}

func (p *parser) pattern(s string) *Pattern {
	pat, err := ParsePattern(s)
	if err != nil {
		p.fault(true, "\\ before a letter other than d, w, s, p, D, W, S, t has no meaning",
			"part of the pattern never matches: %v", err)
	}
	return pat
}
