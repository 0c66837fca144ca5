// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"maps"
	"strings"
	"time"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
)

// Actions of rootcheck's events.
const (
	actionFound    = "finding"
	actionChanged  = "finding_changed"
	actionGone     = "finding_gone"
	actionAccepted = "finding_accepted"
)

// Event tells a finding as an event. host is the name of this machine.
func (e *Entry) Event(host, action, trigger string, now time.Time) *event.Event {
	ev := &event.Event{
		Time:    now.UTC(),
		Message: e.Title,
		Host:    event.Host{Name: host},
		Event: event.Meta{
			ID: e.ID, Module: "rootcheck", Kind: "alert", Category: []string{"intrusion_detection"},
			Type: []string{"info"}, Action: action, Severity: e.Severity, Reason: e.Why,
		},
		HIDS: &event.Details{Check: e.Check, Advice: e.Advice, Trigger: trigger, Tags: []string{string(e.Kind)}, Extra: safeMap(e.Evidence)},
	}
	switch e.Kind {
	case check.Rootkit:
		ev.Event.Category = []string{"malware"}
	case check.Policy:
		ev.Event.Category = []string{"configuration"}
	case check.Info:
		ev.Event.Kind, ev.Event.Category = "state", []string{"configuration"}
	}
	if e.Wire != "" {
		ev.Rule = managerRule(e.Wire)
	}
	if e.Path != "" {
		ev.File = &event.File{Path: event.SafeText(e.Path)}
	}
	if e.PID != 0 || e.Exe != "" {
		ev.Process = &event.Process{PID: e.PID, Executable: event.SafeText(e.Exe)}
	}
	if e.Accepted != nil {
		ev.HIDS.Tags = append(ev.HIDS.Tags, "accepted")
	}
	return ev
}

// managerRule is the rule that fires for a text (OSSEC 2.8.3 and 4.3.0,
// ossec_rules.xml).
func managerRule(text string) *event.Rule {
	for _, r := range []struct {
		prefix string
		rule   event.Rule
	}{
		{"System Audit", event.Rule{ID: "516", Level: 3, Name: "System Audit event."}},
		{"Windows Audit", event.Rule{ID: "512", Level: 3, Name: "Windows policy."}},
		{"Windows Malware", event.Rule{ID: "513", Level: 9, Name: "Windows malware."}},
		{"Application Found", event.Rule{ID: "514", Level: 2, Name: "Windows application."}},
	} {
		if strings.HasPrefix(text, r.prefix) {
			return &r.rule
		}
	}
	return &event.Rule{ID: "510", Level: 7, Name: "Host-based anomaly detection event (rootcheck)."}
}

func safeMap(m map[string]string) map[string]string {
	out := maps.Clone(m)
	for k, v := range out {
		out[k] = event.SafeText(v)
	}
	return out
}

// announce emits what a run changed.
func announce(ctx context.Context, sink event.Sink, host, trigger string, now time.Time, c *Changes) error {
	for _, group := range []struct {
		action  string
		entries []Entry
	}{{actionFound, c.New}, {actionChanged, c.Changed}, {actionGone, c.Gone}} {
		for i := range group.entries {
			if err := sink.Emit(ctx, group.entries[i].Event(host, group.action, trigger, now)); err != nil {
				return err
			}
		}
	}
	return nil
}
