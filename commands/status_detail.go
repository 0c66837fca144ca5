// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"hids/modules/event/courier"
	"hids/modules/execd"
	"hids/modules/rootcheck"
	"hids/modules/syscheckd"
	"hids/modules/syscheckd/report"
)

// printDetail prints what a module tells, one fact a line.
func (p *program) printDetail(module string, raw json.RawMessage) {
	lines := detailOf(module, raw)
	if len(lines) == 0 {
		return
	}
	c := p.palette()
	fmt.Fprintf(p.stdout, "\n%s%s%s\n", c.bold, module, c.reset)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(w, "  %s\t%s\n", l[0], oneLine(l[1]))
	}
	_ = w.Flush()
}

// detailOf reads what a module tells, as names and values.
func detailOf(module string, raw json.RawMessage) [][2]string {
	var failed struct{ Error string }
	if json.Unmarshal(raw, &failed) == nil && failed.Error != "" {
		return [][2]string{{"does not answer", failed.Error}}
	}
	switch module {
	case "execd":
		return decoded(raw, execdLines)
	case "syscheckd":
		return decoded(raw, syscheckdLines)
	case "rootcheck":
		return decoded(raw, rootcheckLines)
	}
	return nil
}

func decoded[T any](raw json.RawMessage, lines func(*T) [][2]string) [][2]string {
	var v T
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return lines(&v)
}

func execdLines(s *execd.Stats) [][2]string {
	return [][2]string{
		{"active blocks", strconv.Itoa(s.Blocks)},
		{"requests", fmt.Sprintf("%d: %d accepted, %d merged, %d refused, %d invalid, %d too many, %d without a program",
			s.Received, s.Accepted, s.Merged, s.Refused, s.Invalid, s.Overload, s.Absent)},
		{"responses", fmt.Sprintf("%d started, %d failed, %d ended at their deadline, %d running, %d waiting",
			s.Started, s.Failed, s.TimedOut, s.Running, s.Waiting)},
		{"undone", fmt.Sprintf("%d, and %d tries failed", s.Undone, s.UndoFailed)},
	}
}

func syscheckdLines(s *syscheckd.Status) [][2]string {
	lines := [][2]string{}
	if s.Scanning != "" {
		lines = append(lines, [2]string{"scanning", fmt.Sprintf("%s, %s so far (%s), at %s", report.Files(s.Files), report.Size(s.Bytes), s.Scanning, s.Path)})
	}
	last := "none yet"
	if l := s.LastScan; !l.Ended.IsZero() {
		last = fmt.Sprintf("%s, %s in %s, %d not readable", moment(l.Ended), report.Files(l.Files), l.Elapsed.Round(time.Millisecond), l.Unread)
	}
	watches := fmt.Sprintf("%d folders", s.Watched)
	if s.Unwatched > 0 {
		watches += fmt.Sprintf(", and %d without", s.Unwatched)
	}
	lines = append(lines,
		[2]string{"last scan", last},
		[2]string{"next scan", moment(s.Next)},
		[2]string{"watches", watches},
		[2]string{"since the start", fmt.Sprintf("%d scans, %d changes, %d faults, notifications lost %d times", s.Scans, s.Changes, s.Faults, s.Overflows)},
	)
	return append(lines, queueLines(s.Queue)...)
}

func rootcheckLines(s *rootcheck.Status) [][2]string {
	lines := [][2]string{}
	if s.Running != "" {
		lines = append(lines, [2]string{"scanning", s.Running})
	}
	last := "none yet"
	if l := s.Last; l != nil {
		last = fmt.Sprintf("%s, %d findings in %s, %d of them open", moment(l.End), l.Findings, l.End.Sub(l.Start).Round(time.Millisecond), l.Open)
	}
	lines = append(lines, [2]string{"last scan", last}, [2]string{"next scan", moment(s.Next)})
	return append(lines, queueLines(s.Queue)...)
}

func queueLines(q *courier.Status) [][2]string {
	if q == nil {
		return nil
	}
	state := "not connected"
	switch {
	case q.Held:
		state = "agentd asks to wait"
	case q.Connected:
		state = "connected"
	}
	parts := []string{state, fmt.Sprintf("%d sent", q.Sent), fmt.Sprintf("%d wait (%s)", q.Spool.Messages, report.Size(q.Spool.Bytes))}
	if q.Spool.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%d found no room", q.Spool.Dropped))
	}
	return [][2]string{{"queue of OSSEC", strings.Join(parts, ", ")}}
}

// moment is a time of the past or the future, in this host's zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return "not known yet"
	}
	return t.Local().Format(time.DateTime)
}
