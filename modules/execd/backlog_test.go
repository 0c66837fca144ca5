// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/modules"
	"hids/modules/event"
	"hids/modules/event/spool"
	"hids/modules/execd/request"
	"hids/platform/execq"
)

// crowded has an execd in which nothing ends before gate is closed, one program
// runs at a time, and what comes when four wait has to wait on disk.
func crowded(t *testing.T, arConf string) (*fixture, *fakePrograms) {
	t.Helper()
	f := newFixture(t, arConf)
	f.programs("ardump", "other")
	f.cfg.ActiveResponse.Concurrency = 1
	fake := &fakePrograms{gate: make(chan struct{})}
	f.parts = func(p *parts) { p.start = fake.start }
	f.beginCrowded()
	return f, fake
}

// keepOnStop has blocks kept when execd stops.
func (f *fixture) keepOnStop() {
	f.t.Helper()
	f.cfg.ActiveResponse.KeepOnStop = true
	if err := f.d.Reload(f.t.Context(), &f.cfg); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) beginCrowded() {
	f.begin()
	f.d.lanes.mu.Lock()
	f.d.lanes.crowd = 4
	f.d.lanes.mu.Unlock()
}

// flood sends requests one by one, so that each finds what the one before has
// left, and returns what their programs are called with.
func (f *fixture) flood(name string, n int) (calls []string) {
	f.t.Helper()
	for i := range n {
		ip := fmt.Sprintf("10.9.%d.%d", i/200, i%200)
		f.send(name + " - " + ip + " 1.1 5 x\x00")
		calls = append(calls, fmt.Sprintf("%q", []string{"ardump", "add", "-", ip, "1.1", "5", "x"}))
		eventually(f.t, "the request received", func() bool { return f.d.snapshot().Received == f.sent })
	}
	return calls
}

// What came when many waited is decided and run in its order, and only a few of
// them were in memory.
func TestBacklogKeepsTheOrder(t *testing.T) {
	f, fake := crowded(t, "a0 - ardump - 0\n")
	want := f.flood("a0", 300)
	if _, waiting := f.d.lanes.count(); waiting > 5 || f.d.backlog.len() < 290 {
		t.Errorf("%d wait in memory, %d on disk", waiting, f.d.backlog.len())
	}
	if s := f.d.snapshot(); s.Waiting < 299 {
		t.Errorf("%d are told to wait", s.Waiting)
	}
	close(fake.gate)
	f.settled()
	if d := cmp.Diff(want, fake.take()); d != "" {
		t.Error(d)
	}
	if f.d.backlog.len() != 0 {
		t.Errorf("%d are left", f.d.backlog.len())
	}
}

// Requests that wait for a program that hangs on their target keep no others
// from being decided.
func TestHungTargetLetsOthersPass(t *testing.T) {
	f, fake := crowded(t, "a60 - ardump - 60\nb60 - other - 60\n")
	f.cfg.ActiveResponse.Concurrency = 2
	f.d.lanes.setLimit(2)
	f.send("a60 - 203.0.113.1\x00") // hangs
	eventually(t, "it runs", func() bool { return fake.running.Load() == 1 })
	f.clock.pass(61 * time.Second) // its undoing waits for it, and each request makes a new block that waits too
	f.d.rearm()
	for range 50 {
		f.send("a60 - 203.0.113.1\x00")
	}
	f.send("b60 - 203.0.113.2\x00")
	eventually(t, "the other's program runs", func() bool { return fake.count("add") == 2 })
	close(fake.gate)
}

// kill -9 in the middle of a flood loses no block: what was decided is in the
// journal, what waited is on disk.
func TestFloodOutlivesKill(t *testing.T) {
	const requests = 1500
	a := startApart(t, "a600 - waits - 600\n", nil)
	goOn := a.layout.Join("go")
	a.write(a.layout.ResponseBin()+"/waits", "#!/bin/sh\nwhile [ ! -e "+goOn+" ]; do sleep 0.02; done\n")
	c := a.dial()
	defer c.Close()
	for i := range requests {
		if _, err := fmt.Fprintf(c, "a600 - 198.18.%d.%d 1.1 5 x\x00", i>>8, i&255); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all received", func() bool { return a.stats().Received == requests })
	before := a.stats()
	if decided := before.Accepted; decided < crowdJobs || decided > 2*crowdJobs+defaultConcurrency {
		t.Errorf("%d decided", decided)
	}
	a.kill()
	a.write(goOn, "")
	a.start()
	eventually(t, "all blocks are in force", func() bool {
		s := a.stats()
		return s.Blocks == requests && s.Waiting == 0 && s.Running == 0
	})
	t.Logf("killed with %d decided and %d that wait", before.Accepted, before.Waiting)
	a.kill() // not undone one by one
}

// At a stop what waits is refused, one by one. Where blocks are kept, what waits
// on disk is kept too, and what waits in memory is refused if it would never be
// undone. After a reboot what waits on disk is refused.
func TestBacklogAtTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		keep, reboot bool
		nobodyKnows  bool // of boots
		refused      int  // at the stop, of four in memory and ten in the backlog
		later        int  // by the next execd
	}{
		"stop": {refused: 14}, "keep": {keep: true, refused: 4}, "reboot": {keep: true, reboot: true, refused: 4, later: 10},
		"no boot id": {keep: true, nobodyKnows: true, refused: 4, later: 10},
	} {
		t.Run(name, func(t *testing.T) {
			f, fake := crowded(t, "a0 - ardump - 0\n")
			f.cfg.ActiveResponse.KeepOnStop = tt.keep
			if tt.nobodyKnows {
				f.end()
				f.clock.id = ""
				f.beginCrowded()
			}
			if err := f.d.Reload(t.Context(), &f.cfg); err != nil {
				t.Fatal(err)
			}
			f.flood("a0", 5) // one runs and four wait
			f.flood("a0", 10)
			if f.d.backlog.len() != 10 {
				t.Fatalf("%d wait on disk", f.d.backlog.len())
			}
			fake.take()
			defer close(fake.gate)
			f.end()
			if n := f.log.count("execd stopped before its turn came"); n != tt.refused {
				t.Errorf("%d refused at the stop", n)
			}
			if tt.reboot {
				f.clock.reboot(time.Minute)
			}
			next := &fakePrograms{}
			f.parts = func(p *parts) { p.start = next.start }
			f.begin()
			eventually(t, "all is decided", func() bool { return f.d.snapshot().Waiting == 0 && f.d.snapshot().Running == 0 })
			if n := f.log.count("it came before the machine was started anew"); n != tt.later {
				t.Errorf("%d refused after the reboot", n)
			}
			if n := next.count(add); n != 14-tt.refused-tt.later {
				t.Errorf("%d run", n)
			}
		})
	}
}

// Behind those of another boot there may be some of this one, of a process that was
// killed. Others wait behind those as soon as that is known.
func TestBacklogOfTwoBoots(t *testing.T) {
	queue, err := openQueue(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := newHandClock()
	put := func(n int) *backlog {
		b := newBacklog(queue, nil, c, slog.New(slog.DiscardHandler))
		for range n {
			b.put([]message{{data: []byte("a0 - 10.9.9.9")}})
		}
		return b
	}
	put(2)
	c.reboot(time.Minute)
	put(3)
	b := put(0)
	defer b.close()
	var lens []int
	for range 3 {
		_, boot, err := b.first()
		if err != nil {
			t.Fatal(err)
		}
		b.outdated(boot)
		lens = append(lens, b.len())
		b.done()
		lens = append(lens, b.len())
	}
	if want := []int{0, 0, 0, 0, 3, 2}; !slices.Equal(lens, want) {
		t.Errorf("a new one waits behind %v, want %v", lens, want)
	}
}

// Nobody waits behind requests of another boot: they are refused.
func TestNobodyWaitsBehindAnotherBoot(t *testing.T) {
	f, fake := crowded(t, "a0 - ardump - 0\n")
	f.keepOnStop()
	f.flood("a0", 25)
	f.end()
	close(fake.gate)
	f.clock.reboot(time.Minute)
	f.parts = func(p *parts) { p.start = (&fakePrograms{}).start }
	d := assemble(modules.Env{Config: &f.cfg, Layout: f.layout, Log: slog.New(slog.DiscardHandler), Events: f.events}, f.madeOf())
	defer d.backlog.close()
	if d.backlog.left() != 20 || d.backlog.len() != 0 {
		t.Errorf("%d are left, a new one waits behind %d", d.backlog.left(), d.backlog.len())
	}
	if !d.backlog.put([]message{{data: []byte("a0 - 10.9.9.9")}}) || d.backlog.len() != 1 {
		t.Errorf("a new one waits behind %d, want 1", d.backlog.len())
	}
	for range 20 {
		_, boot, err := d.backlog.next(t.Context())
		if err != nil || !d.backlog.outdated(boot) {
			t.Fatalf("%v: one of another boot is answered", err)
		}
		d.backlog.done()
	}
	if _, boot, err := d.backlog.next(t.Context()); err != nil || d.backlog.outdated(boot) || d.backlog.len() != 1 {
		t.Errorf("%v: one of this boot is refused", err)
	}
}

// holding is an event log that takes nothing until it is let go.
type holding struct {
	events
	gate chan struct{}
}

func (h *holding) Emit(ctx context.Context, e *event.Event) error {
	<-h.gate
	return h.events.Emit(ctx, e)
}

// Requests of another boot leave room for the events of this one, also where the
// event log is slow.
func TestStaleLeavesRoomForEvents(t *testing.T) {
	const stale = 2 * maxUntold
	f := newFixture(t, "a0 - ardump - 0\n")
	f.programs("ardump")
	fake, sink := &fakePrograms{}, &holding{gate: make(chan struct{})}
	f.parts = func(p *parts) {
		p.start = fake.start
		p.queue = func(dir string) (requestQueue, error) {
			q, err := openQueue(dir)
			for i := range stale {
				r := encodeMessage(message{data: fmt.Appendf(nil, "a0 - 10.1.%d.%d", i>>8, i&255)}, "another boot")
				err = errors.Join(err, q.Append(r))
			}
			return q, err
		}
	}
	f.sink = sink
	f.begin()
	eventually(t, "all are refused", func() bool { return f.d.backlog.left() == 0 })
	f.send("a0 - 203.0.113.1")
	eventually(t, "it ran", func() bool { return fake.count(add) == 1 && f.d.snapshot().Running == 0 })
	close(sink.gate)
	f.end()
	s := f.d.snapshot()
	if n := sink.actions()[actRefuse]; s.Refused != stale || n < maxUntold/2 || int64(n)+s.Untold != stale {
		t.Errorf("%d are refused, %d are told of, %d are not", s.Refused, n, s.Untold)
	}
	if sink.actions()[actBlock] != 1 {
		t.Error("what happened in this boot is not told of")
	}
}

// What a stop refuses is told of, however much it is, where the event log is slow.
func TestStopTellsOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, quiet := &holding{gate: make(chan struct{})}, slog.New(slog.DiscardHandler)
		d := &Daemon{log: quiet, tell: newTeller(sink, quiet, "host")}
		go d.tell.run()
		waited := make([]*job, maxUntold+maxUntold/2)
		for i := range waited {
			waited[i] = &job{action: add, name: "a0", words: []string{"-", "10.9.9.9"}}
		}
		done := make(chan struct{})
		go func() {
			d.turnAwayAll(t.Context(), waited, true)
			close(done)
		}()
		synctest.Wait() // it can go no further
		close(sink.gate)
		<-done
		d.tell.close()
		synctest.Wait()
		if n, untold := sink.actions()[actRefuse], d.tell.untold.Load(); n != len(waited) || untold != 0 {
			t.Errorf("%d are told of, %d are not", n, untold)
		}
	})
}

// brokenQueue is a backlog on a disk that goes bad.
type brokenQueue struct {
	requestQueue
	append, next error
	well         atomic.Bool // the disk can be read again
}

func (q *brokenQueue) Append(m ...[]byte) error {
	if q.append != nil {
		return q.append
	}
	return q.requestQueue.Append(m...)
}

func (q *brokenQueue) Next(ctx context.Context) ([]byte, error) {
	m, err := q.requestQueue.Next(ctx)
	if err != nil || q.next == nil || q.well.Load() {
		return m, err
	}
	return nil, q.next
}

// Where the disk takes no requests, or gives none back, those that come are
// decided at once.
func TestBacklogOnABadDisk(t *testing.T) {
	bad := errors.New("bad disk")
	for name, q := range map[string]*brokenQueue{"write": {append: bad}, "read": {next: bad}, "open": nil} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "a0 - ardump - 0\n")
			f.programs("ardump")
			f.cfg.ActiveResponse.Concurrency = 1
			fake := &fakePrograms{gate: make(chan struct{})}
			f.parts = func(p *parts) {
				p.start, p.retryReading = fake.start, time.Millisecond
				p.queue = func(dir string) (requestQueue, error) {
					if q == nil {
						return nil, bad
					}
					var err error
					q.requestQueue, err = openQueue(dir)
					return q, err
				}
			}
			f.beginCrowded()
			f.flood("a0", 5)
			if name == "read" {
				f.send("a0 - 10.9.9.9\x00") // waits on the disk that does not give it back
				eventually(t, "the backlog is given up", func() bool {
					return f.log.count("1 requests that wait can't be read") == 1
				})
			}
			calls := 25
			f.flood("a0", 20)
			close(fake.gate)
			if name == "read" {
				eventually(t, "all others ran", func() bool { return fake.count(add) == calls })
				q.well.Store(true)
				calls++
			}
			f.settled()
			if n := fake.count(add); n != calls {
				t.Errorf("%d ran", n)
			}
			if off := f.d.backlog.off.Load(); off != (q == nil) {
				t.Errorf("the backlog is given up: %v", off)
			}
		})
	}
}

// What a stop finds on a disk that gives nothing back is told, and waits for the
// next start.
func TestStopOnABadDisk(t *testing.T) {
	f, fake := crowded(t, "a0 - ardump - 0\n")
	f.end()
	q := &brokenQueue{next: errors.New("bad disk")}
	f.parts = func(p *parts) {
		p.start, p.retryReading = fake.start, time.Hour
		p.queue = func(dir string) (requestQueue, error) {
			var err error
			q.requestQueue, err = openQueue(dir)
			return q, err
		}
	}
	f.beginCrowded()
	defer close(fake.gate)
	f.flood("a0", 6)
	eventually(t, "the backlog is given up", func() bool { return f.log.count("1 requests that wait can't be read") == 1 })
	f.end()
	if f.log.count("requests wait for the next start count=1 err=\"bad disk\"") != 1 {
		t.Errorf("log\n%s", f.log)
	}
	q.well.Store(true)
	f.beginCrowded()
	eventually(t, "it runs", func() bool { return fake.count(add) == 2 })
}

func TestRecordOfARequest(t *testing.T) {
	for _, m := range []message{
		{data: []byte("a0 - 1.2.3.4\x00"), from: execq.Sender{Known: true, PID: 4711, UID: 4294967295, GID: 7}},
		{data: []byte{}},
		{data: bytes.Repeat([]byte("x"), request.MaxJSON+1)},
	} {
		for _, boot := range []string{"", "5b1c9b9e-4a4e-4d0c-9d55-3f0b1f3a5e11", strings.Repeat("b", 255)} {
			r := encodeMessage(m, boot)
			if len(r) > spool.MaxMessage {
				t.Errorf("a record of %d bytes", len(r))
			}
			got, from, err := parseMessage(r)
			if err != nil || from != boot || got.from != m.from || !bytes.Equal(got.data, m.data[:min(len(m.data), request.MaxJSON)]) {
				t.Errorf("%+v, %q, %v", got.from, from, err)
			}
		}
	}
	for _, r := range []string{"", "\x00", "\x24abc", strings.Repeat("\xff", 200)} {
		if _, _, err := parseMessage([]byte(r)); !errors.Is(err, errRecord) {
			t.Errorf("%q: %v", r, err)
		}
	}
}

// A sender who may not send is refused when it comes, not when its turn comes:
// its pid may be another's then.
func TestStrangersDoNotWait(t *testing.T) {
	f, fake := crowded(t, "a0 - ardump - 0\n")
	defer close(fake.gate)
	f.flood("a0", 10)
	rules := senderRules{owner: execq.Owner{UID: 1, GID: 1}, groups: func(int) ([]uint32, error) { return nil, os.ErrNotExist }}
	stranger := message{[]byte("a0 - 10.9.9.9"), execq.Sender{Known: true, PID: 1, UID: 77, GID: 77}}
	known := message{[]byte("a0 - 10.9.9.8"), execq.Sender{Known: true, PID: 1, UID: 1, GID: 77}}
	left := f.d.allowed([]message{stranger, known, stranger}, rules)
	if !slices.EqualFunc(left, []message{known}, func(a, b message) bool { return a.from == b.from }) {
		t.Errorf("%+v", left)
	}
	if s := f.d.snapshot(); s.Refused != 2 || s.Received != f.sent+2 {
		t.Errorf("%+v", s)
	}
}
