// SPDX-License-Identifier: Apache-2.0

package config

import "hids/config/xmlconf"

// settings reads <settings> of hids.conf.
func (l *loader) settings(section *xmlconf.Node) {
	if !l.src.own {
		l.bad(section.Pos, "move it to hids.conf", "unknown section <settings>")
		return
	}
	l.each(section, l.settingsElements(), nil)
}

func (l *loader) settingsElements() map[string]handler {
	s := &l.cfg.Settings
	return map[string]handler{
		"event_log_size":  l.size(&s.EventLogSize),
		"event_log_files": l.count(&s.EventLogFiles, 0, 1000),
		"spool_size":      l.size(&s.SpoolSize),
		"queue":           l.queue,
	}
}

func (l *loader) queue(n *xmlconf.Node) {
	switch v := value(n); v {
	case "auto", "yes", "no":
		l.cfg.Settings.Queue = v
		l.origin(n)
	default:
		l.bad(n.PosAt(0), "write auto (where OSSEC's queue exists), yes or no", "queue is %.60q", v)
	}
}
