// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"fmt"
	"runtime"
	"testing"

	"hids/platform/execq"
)

// What a request costs that waits for its turn, in bytes of live memory. With a
// timeout the table of blocks has an entry for it, which it keeps while it is in
// force.
const (
	waitingCost = 700
	blockCost   = 1300
)

// A thousand requests more that wait cost what has to be known of them.
func TestWaitingIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has a memory of its own")
	}
	for name, limit := range map[string]int{"plain0": waitingCost, "timed600": blockCost} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "plain0 - ardump - 0\ntimed600 - ardump - 600\n")
			f.programs("ardump")
			f.cfg.ActiveResponse.Concurrency = 1
			gate := &fakePrograms{gate: make(chan struct{})}
			f.parts = func(p *parts) { p.start = gate.start }
			f.begin()
			defer f.settled() // what waits here is no other's memory
			defer close(gate.gate)
			sender := execq.Sender{Known: true, PID: 4711}
			ask := func(from, to int) {
				for i := from; i < to; i++ {
					text := fmt.Sprintf("%s - 198.18.%d.%d 1445000000.123456 5712 (web1) 10.0.0.5->/var/log/auth.log -\x00", name, i>>8, i&255)
					f.d.handle([]message{{[]byte(text), sender}})
				}
			}
			ask(0, 1000)
			before := f.live()
			ask(1000, 9000)
			cost := (f.live() - before) / 8000
			if _, waiting := f.d.lanes.count(); waiting != 8999 {
				t.Fatalf("%d wait", waiting)
			}
			t.Logf("%d bytes for a request that waits", cost)
			if cost > limit {
				t.Errorf("a request that waits costs %d bytes, more than %d", cost, limit)
			}
		})
	}
}

// live is the memory in use, in bytes, while the journal is not being rewritten.
func (f *fixture) live() int {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
