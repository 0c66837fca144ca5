// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ticksPerDeadline: an operation hangs once it has seen this many ticks.
	ticksPerDeadline = 8
	// hangsPerDevice is after how many hangs a file system is given up, so
	// that a dead mount of a million files costs a few deadlines and not a
	// million.
	hangsPerDevice = 3
)

// monitor watches the operations under way and leaves behind those that take
// too long. Each goroutine of a walk that talks to a file system has a slot.
type monitor struct {
	tick atomic.Int64
	wg   sync.WaitGroup // the goroutines of the walk that were not left behind
	over chan struct{}  // closed when run has returned

	mu    sync.Mutex // guards slots and hangs
	slots map[*slot]struct{}
	hangs map[uint64]int // by device

	anyHang atomic.Bool
}

func newMonitor() *monitor {
	m := &monitor{slots: map[*slot]struct{}{}, hangs: map[uint64]int{}, over: make(chan struct{})}
	m.tick.Store(1) // 0 is an idle slot
	return m
}

func (m *monitor) run(ctx context.Context, deadline time.Duration, ticks <-chan time.Time) {
	defer close(m.over)
	if ticks == nil {
		t := time.NewTicker(max(deadline/ticksPerDeadline, time.Millisecond))
		defer t.Stop()
		ticks = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			m.tick.Add(1)
			m.abandon(ticksPerDeadline)
		}
	}
}

// abandon leaves behind each operation that has seen that many ticks.
func (m *monitor) abandon(ticks int64) {
	for _, s := range m.late(ticks) {
		if dev, left := s.leave(ticks); left {
			m.charge(dev)
			s.abandoned()
			m.wg.Done() // in the goroutine's place: it may never return
		}
	}
}

func (m *monitor) late(ticks int64) []*slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	var late []*slot
	now := m.tick.Load()
	for s := range m.slots {
		if since := s.since.Load(); since != 0 && now-since >= ticks {
			late = append(late, s)
		}
	}
	return late
}

// charge counts a hang against a device; 0 is not known.
func (m *monitor) charge(dev uint64) {
	if dev == 0 {
		return
	}
	m.mu.Lock()
	m.hangs[dev]++
	m.mu.Unlock()
	m.anyHang.Store(true)
}

// dead reports whether a file system has been given up.
func (m *monitor) dead(dev uint64) bool {
	if !m.anyHang.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hangs[dev] >= hangsPerDevice
}

// join waits for the goroutines of the walk, at most for the grace: what
// hangs then is left behind. The walk must have been cancelled.
func (m *monitor) join() {
	done := make(chan struct{})
	go func() {
		m.wg.Wait()
		close(done)
	}()
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	for {
		select {
		case <-done:
			<-m.over
			return
		case <-grace.C:
			m.abandon(0)
			grace.Reset(cancelGrace / 8) // an operation may have begun just now
		}
	}
}

// slot is what the monitor knows of one goroutine. The goroutine calls begin
// and end around each operation; once end is false it has been left behind, its
// work is somebody else's and it must return without touching it.
type slot struct {
	m         *monitor
	since     atomic.Int64 // the tick at which the operation began; 0: idle
	abandoned func()       // called once, by the monitor, after gone is set

	mu   sync.Mutex // guards gone and dev, and orders them with since
	gone bool
	dev  uint64 // which device a hang is charged to
}

func (m *monitor) newSlot(abandoned func()) *slot {
	s := &slot{m: m, abandoned: abandoned}
	m.mu.Lock()
	m.slots[s] = struct{}{}
	m.mu.Unlock()
	return s
}

func (s *slot) begin(dev uint64) {
	s.mu.Lock()
	s.dev = dev
	s.since.Store(s.m.tick.Load())
	s.mu.Unlock()
}

func (s *slot) beat() { s.since.Store(s.m.tick.Load()) }

// on says on which device the operation turned out to be.
func (s *slot) on(dev uint64) {
	s.mu.Lock()
	s.dev = dev
	s.mu.Unlock()
}

func (s *slot) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	s.since.Store(0)
	return true
}

// leave marks the goroutine as left behind, unless its operation has ended or
// gone on meanwhile. It returns the device to charge.
func (s *slot) leave(ticks int64) (dev uint64, left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.since.Load()
	if since == 0 || s.m.tick.Load()-since < ticks || s.gone {
		return 0, false
	}
	s.gone = true
	s.m.remove(s)
	return s.dev, true
}

func (m *monitor) remove(s *slot) {
	m.mu.Lock()
	delete(m.slots, s)
	m.mu.Unlock()
}
