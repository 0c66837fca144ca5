// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hids/modules/event"
	"hids/platform/runner"
)

// What an event of execd is about: event.action.
const (
	actBlock   = "block"   // a program was run with add
	actUnblock = "unblock" // it was run with delete
	actExtend  = "extend"  // a block that is in force was asked for again
	actRefuse  = "refuse"  // a request was not carried out
	actFail    = "fail"    // a program could not be run, or ended badly
)

// Severities, on OSSEC's scale: its own rules for responses have level 3.
const (
	sevAction = 3
	sevRefuse = 5
	sevFail   = 7
)

// maxUntold is how many events may wait for the event log.
const maxUntold = 8192

// tellTimeout bounds how long one event may take to be handed on.
const tellTimeout = 10 * time.Second

// teller hands events on beside the requests: a slow event log delays no
// response. What finds no room is counted and said.
type teller struct {
	sink   event.Sink
	log    *slog.Logger
	host   string
	events chan *event.Event
	eased  chan struct{} // gets one when there is room again
	mu     sync.Mutex    // guards closed, and events while it is closed
	closed bool
	seq    atomic.Uint64
	untold atomic.Int64
}

func newTeller(sink event.Sink, log *slog.Logger, host string) *teller {
	return &teller{sink: sink, log: log, host: host, events: make(chan *event.Event, maxUntold), eased: make(chan struct{}, 1)}
}

func (t *teller) run() {
	var missed int64
	for e := range t.events {
		ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
		if err := t.sink.Emit(ctx, e); err != nil {
			t.log.Error("event can't be handed on", "action", e.Event.Action, "err", err)
		}
		cancel()
		if !t.crowded() {
			select {
			case t.eased <- struct{}{}:
			default:
			}
		}
		if n := t.untold.Load(); n != missed && len(t.events) == 0 {
			t.log.Warn("events were left out: the event log did not take them in time", "count", n-missed)
			missed = n
		}
	}
}

// crowded says that the event log does not keep up.
func (t *teller) crowded() bool { return len(t.events) > maxUntold/2 }

// awaitRoom waits until the event log keeps up, or ctx ends. It is for one goroutine
// at a time, who has much to tell and is in no hurry.
func (t *teller) awaitRoom(ctx context.Context) {
	for t.crowded() {
		select {
		case <-t.eased:
		case <-ctx.Done():
			return
		}
	}
}

// close ends run once it has handed on what waits. Nothing is told after it.
func (t *teller) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	close(t.events)
}

func (t *teller) tell(e *event.Event) {
	e.Time = time.Now()
	e.Host.Name = t.host
	e.Event.Module, e.Event.Kind = "execd", "event"
	e.Event.Sequence = t.seq.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	select {
	case t.events <- e:
	default:
		t.untold.Add(1)
	}
}

// subject is whom and what an event is about.
type subject struct {
	name    string   // of the response
	words   []string // of the request
	program string
	by      string
	block   uint64 // its id; 0: none
	count   int    // requests it answers
}

// about begins an event.
func about(s subject, action string) *event.Event {
	e := &event.Event{
		Event: event.Meta{Action: action, Outcome: "success", Severity: sevAction, Category: []string{"intrusion_detection"}},
		HIDS:  &event.Details{Response: safeWord(s.name), Count: s.count, Extra: map[string]string{"by": s.by}},
	}
	word := func(i int) string {
		if i >= len(s.words) || s.words[i] == "-" {
			return ""
		}
		return safeWord(s.words[i])
	}
	if user := word(0); user != "" {
		e.User = &event.User{Name: user}
	}
	if ip := word(1); ip != "" {
		e.Source = &event.Address{IP: ip}
	}
	if rule := word(3); isNumber(rule) {
		e.Rule = &event.Rule{ID: rule}
	}
	if s.program != "" {
		e.Process = &event.Process{Executable: safeWord(s.program)}
	}
	if s.block != 0 {
		e.Event.ID = "block-" + strconv.FormatUint(s.block, 10)
	}
	return e
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// whom is the target as a person says it.
func whom(e *event.Event) string {
	switch {
	case e.Source != nil && e.User != nil:
		return e.User.Name + " at " + e.Source.IP
	case e.Source != nil:
		return e.Source.IP
	case e.User != nil:
		return e.User.Name
	}
	return "nobody in particular"
}

// refused tells of a request that was not carried out, and counts it.
func (d *Daemon) refused(s subject, why string) {
	e := about(s, actRefuse)
	e.Event.Outcome, e.Event.Reason, e.Event.Severity = "failure", event.SafeText(why), sevRefuse
	e.Event.Type = []string{"denied"}
	e.Message = fmt.Sprintf("%s was not run for %s: %s", e.HIDS.Response, whom(e), e.Event.Reason)
	d.tell.tell(e)
	d.log.Warn("request refused", "response", s.name, "target", whom(e), "reason", why, "by", s.by)
}

// extended tells of a block that goes on.
func (d *Daemon) extended(s subject, until time.Time) {
	e := about(s, actExtend)
	e.HIDS.Until = &until
	e.Message = fmt.Sprintf("%s of %s goes on until %s", e.HIDS.Response, whom(e), until.Format(time.RFC3339))
	d.tell.tell(e)
}

// ran tells how a program ended. notStarted is why it was not run at all.
func (d *Daemon) ran(j *job, pid int, r runner.Result, notStarted error) {
	s := subject{name: j.name, words: j.words, program: j.prog.path, by: j.by}
	if j.block != nil {
		s.block = j.block.ID
	}
	e := about(s, actBlock)
	e.Event.Type = []string{"start"}
	if j.undo() {
		e.Event.Action, e.Event.Type = actUnblock, []string{"end"}
	}
	if j.block != nil && !j.undo() {
		until := j.until
		e.HIDS.Until = &until
	}
	e.Process.PID = pid
	e.Process.Args = safeAll(j.prog.argv(j.action, j.words))
	e.Message = fmt.Sprintf("%s %s for %s", e.HIDS.Response, j.action, whom(e))
	if notStarted == nil {
		e.Process.ExitCode = &r.ExitCode
		if len(r.Output) > 0 {
			e.HIDS.Extra["output"] = event.SafeText(string(r.Output))
		}
	}
	if why := failure(r, notStarted); why != "" {
		e.Event.Outcome, e.Event.Reason, e.Event.Severity = "failure", event.SafeText(why), sevFail
		e.Message += " failed: " + e.Event.Reason
		if notStarted != nil || r.TimedOut || j.prog.builtIn {
			e.Event.Action = actFail
		}
	}
	d.tell.tell(e)
}

// failure says how a run failed, or "".
func failure(r runner.Result, notStarted error) string {
	switch {
	case notStarted != nil:
		return notStarted.Error()
	case r.TimedOut:
		return fmt.Sprintf("it was ended at its deadline, after %s", r.Took.Round(time.Second))
	case r.Signal != "":
		return "it was ended by a signal: " + r.Signal
	case r.ExitCode != 0:
		return fmt.Sprintf("it ended with exit code %d", r.ExitCode)
	}
	return ""
}

func safeAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = safeWord(w)
	}
	return out
}

// maxWord is how much of one word of a request an event has, in bytes: as much as
// active-responses.log. A sender chooses how long words are, and thousands of events
// may wait.
const maxWord = 1024

// safeWord is a word of a request for an event. It is a copy: the word may be a part
// of a datagram, which would be kept with it.
func safeWord(s string) string {
	return event.SafeText(strings.Clone(s[:min(len(s), maxWord)]))
}
