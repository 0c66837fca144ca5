// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"

	"hids/config/match"
	"hids/config/xmlconf"
)

// agent is what the selectors of agent.conf are matched with.
type agent struct {
	name, profile string
	known         bool // agentd has written its note
}

// agent reads agentd's note: name, "-", id, profile, one a line.
func (l *loader) agent() agent {
	data, ok := l.bytes(source{name: l.opts.AgentInfo, remote: true})
	lines := strings.Split(string(data), "\n")
	if !ok || len(lines) < 4 {
		return agent{}
	}
	return agent{
		name:    strings.TrimSuffix(lines[0], "\r"),
		profile: strings.TrimSuffix(lines[3], "\r"),
		known:   true,
	}
}

// selects tells whether an <agent_config> is meant for this agent: every
// selector must match. One without selectors is meant for all; OSSEC skips it
// as long as agentd has not written its note, a race at the first start that
// loses the configuration.
func (l *loader) selects(root *xmlconf.Node, a agent) bool {
	l.src = source{name: l.opts.AgentConf, root: "agent_config", remote: true}
	for _, attr := range root.Attrs {
		var subject string
		known := a.known
		switch attr.Name {
		case "name":
			subject = a.name
		case "profile":
			subject = a.profile
		case "os":
			subject, known = l.opts.OS, l.opts.OS != ""
		case "overwrite":
			continue // accepted and without effect, as in OSSEC
		default:
			l.warn(attr.Pos, "selectors are name, os and profile", "unknown attribute %s of <agent_config>", attr.Name)
			continue
		}
		if !known {
			l.warn(attr.Pos, "start the agent that writes .agent_info", "%s=%.60q can't be matched: this agent's %s is not known; block left out", attr.Name, attr.Value, attr.Name)
			return false
		}
		m, err := match.Compile(attr.Value)
		if err != nil {
			l.warn(attr.Pos, "", "%s: %v; block left out", attr.Name, err)
			return false
		}
		if !m.MatchString(subject) {
			return false
		}
	}
	return true
}
