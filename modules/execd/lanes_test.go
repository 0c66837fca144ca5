// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"strings"
	"testing"

	"hids/modules/event"
)

// An event holds no more of a request than it tells, and no datagram whole.
func TestEventsAreSmall(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	e := about(subject{name: long, words: []string{long, long, long, "5"}, program: long}, actBlock)
	for _, s := range append(safeAll([]string{long}), e.User.Name, e.Source.IP, e.HIDS.Response, e.Process.Executable) {
		if len(s) != maxWord {
			t.Errorf("an event has a word of %d bytes", len(s))
		}
	}
	if e.Rule.ID != "5" {
		t.Errorf("rule %q", e.Rule.ID)
	}
	if got := safeWord("a\nb"); got != event.SafeText("a\nb") {
		t.Errorf("%q", got)
	}
}

// What is dismissed waits no more, and nobody waits for it.
func TestDismiss(t *testing.T) {
	l := newLanes(1)
	holder, other := &job{lane: "a", action: add}, &job{lane: "b", action: add}
	undoes := []*job{{lane: "a", action: remove}, {lane: "b", action: remove}}
	if !l.enter(holder) || l.enter(other) || l.enter(&job{lane: "a", action: add}) || l.enter(&job{action: add}) {
		t.Fatal("one place is not one place")
	}
	for _, j := range undoes {
		if l.enter(j) {
			t.Fatal("an undoing overtakes")
		}
	}
	dismissed, ready := l.dismiss()
	if len(dismissed) != 3 || dismissed[0] != other {
		t.Errorf("%d dismissed", len(dismissed))
	}
	if len(ready) != 1 || ready[0] != undoes[1] {
		t.Errorf("%d may start", len(ready))
	}
	if next := l.leave(holder); len(next) != 1 || next[0] != undoes[0] {
		t.Errorf("%d may start after it", len(next))
	}
	l.leave(undoes[0])
	l.leave(undoes[1])
	if running, waiting := l.count(); running != 0 || waiting != 0 || l.bytes != 0 || len(l.byKey) != 0 {
		t.Errorf("left are %d, %d, %d bytes, %d lanes", running, waiting, l.bytes, len(l.byKey))
	}
}

// A queue that is never empty, as in a flood, keeps its order and its size.
func TestFIFO(t *testing.T) {
	var f fifo
	in, out := 0, 0
	jobs := make([]job, 100_000)
	push := func() { f.push(&jobs[in]); in++ }
	for range 200 {
		push()
	}
	for in < len(jobs) {
		push()
		if j := f.pop(); j != &jobs[out] {
			t.Fatalf("number %d came out of its turn", out)
		}
		out++
	}
	if f.len() != 200 || cap(f.jobs) > 1024 {
		t.Errorf("%d jobs in %d places", f.len(), cap(f.jobs))
	}
	for f.pop() != nil {
		out++
	}
	if out != len(jobs) || f.bytes != 0 || f.jobs != nil {
		t.Errorf("%d came out, %d bytes are left", out, f.bytes)
	}
}
