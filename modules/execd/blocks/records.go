// SPDX-License-Identifier: Apache-2.0

package blocks

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"
)

// What a record does. The letters are what is in journals on disk.
const (
	opPut      = "put"      // Block is all of it, new or changed
	opExtend   = "extend"   // Until, Boot, Due, Timeout, Count of ID
	opApplied  = "applied"  // ID was started in Boot
	opEnd      = "end"      // ID was ended by hand
	opDone     = "done"     // ID is undone
	opOffender = "offender" // Key has this history
	opLast     = "last"     // ID is the highest that was given out
)

type record struct {
	Op       string        `json:"op"`
	Block    *Block        `json:"block,omitempty"`
	ID       uint64        `json:"id,omitempty"`
	Until    time.Time     `json:"until,omitzero"`
	Boot     string        `json:"boot,omitempty"`
	Due      time.Duration `json:"due,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	Count    int           `json:"count,omitempty"`
	Key      string        `json:"key,omitempty"`
	Offender *offender     `json:"offender,omitempty"`
}

// write appends to the journal. What can't be written breaks the journal, and
// the next Commit writes the whole table.
func (s *Store) write(r record) {
	if s.broken {
		return
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = s.journal.Append(data)
	}
	s.broken = err != nil
}

// Commit makes all changes since the last one survive the end of this process,
// and with durable the end of the machine. After an error everything is tried
// again by a later Commit.
func (s *Store) Commit(durable bool) error {
	if s.broken {
		return s.writeAnew()
	}
	if err := s.journal.Commit(durable); err != nil {
		s.broken = true
		// Once more, into a new file: the old one may sit on a bad block.
		return s.writeAnew()
	}
	return nil
}

// Flush returns what makes all that is committed now survive the end of the
// machine. Nobody need keep others from the Store while it runs. When it fails,
// Distrust is to be called.
func (s *Store) Flush() func() error { return s.journal.Flush() }

// Distrust has the next Commit write everything anew: nobody knows what a
// failed flush has left on the disk.
func (s *Store) Distrust() { s.broken = true }

// writeAnew writes the whole table. A large table on a disk that takes nothing
// must not cost all of the time: between two tries there is ten times as much as
// one took.
func (s *Store) writeAnew() error {
	begun := s.clock.Boot()
	if s.fault != nil && begun < s.tryAt {
		return s.fault
	}
	s.fault = s.rewrite()
	now := s.clock.Boot()
	s.tryAt = now + 10*(now-begun)
	return s.fault
}

// Compact rewrites the journal when it has grown to four times what it needed
// after the last time.
func (s *Store) Compact() error {
	if s.broken || s.journal.Size() < max(compactAbove, 4*s.needed) {
		return nil
	}
	return s.rewrite()
}

func (s *Store) rewrite() error {
	err := s.journal.Rewrite(s.snapshot())
	s.broken = err != nil
	s.needed = s.journal.Size()
	return err
}

// snapshot is the records of all there is, one after the other: a large table
// need not be in memory twice.
func (s *Store) snapshot() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for r := range s.records() {
			if data, err := json.Marshal(r); err == nil && !yield(data) {
				return
			}
		}
	}
}

func (s *Store) records() iter.Seq[record] {
	return func(yield func(record) bool) {
		if !yield(record{Op: opLast, ID: s.lastID}) {
			return
		}
		for key, o := range s.offenders {
			if !yield(record{Op: opOffender, Key: key, Offender: &o}) {
				return
			}
		}
		for _, b := range s.byID {
			if !yield(record{Op: opPut, Block: b}) {
				return
			}
		}
	}
}

func (s *Store) replay(data []byte) error {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("journal record %q: %w", data[:min(len(data), 60)], err)
	}
	switch r.Op {
	case opPut:
		return s.replayPut(r.Block)
	case opLast:
		s.lastID = max(s.lastID, r.ID)
	case opOffender:
		if r.Offender != nil {
			s.remember(r.Key, *r.Offender)
		}
	case opExtend, opApplied, opEnd, opDone:
		if b := s.byID[r.ID]; b != nil {
			s.replayChange(b, r)
		}
	default:
		return fmt.Errorf("journal record of unknown kind %q", r.Op)
	}
	return nil
}

func (s *Store) replayPut(b *Block) error {
	if b == nil || b.ID == 0 {
		return fmt.Errorf("journal record without its block")
	}
	s.lastID = max(s.lastID, b.ID)
	s.hold(b)
	return nil
}

func (s *Store) replayChange(b *Block, r record) {
	switch r.Op {
	case opExtend:
		b.Until, b.Boot, b.Due, b.Timeout, b.Count = r.Until, r.Boot, r.Due, r.Timeout, r.Count
	case opApplied:
		b.Applied = r.Boot
	case opEnd:
		b.Ending = true
	case opDone:
		s.drop(r.ID)
	}
}

// pop drops the first entry.
func (s *Store) pop() {
	s.queue[0].block.entries--
	heap.Pop(&s.queue)
}

// dueQueue is a heap of deadlines, at most one live entry for each block.
type dueQueue []dueEntry

type dueEntry struct {
	due   time.Duration
	block *Block
}

// schedule makes sure that a block comes up no later than it is due. A block
// whose time was extended keeps its earlier entry: however often it is
// extended, the queue does not grow.
func (s *Store) schedule(b *Block) {
	if b.queued && b.queuedAt <= b.Due {
		return
	}
	b.queued, b.queuedAt = true, b.Due
	b.entries++
	heap.Push(&s.queue, dueEntry{b.Due, b})
	if len(s.queue) > 2*len(s.byID)+looseEntries {
		s.tidy()
	}
}

// What the queue may hold of blocks that are gone: so many entries more than there
// are blocks, and so many bytes.
const (
	looseEntries = 1024
	looseBytes   = 16 << 20
)

// live says that an entry stands for a block that waits for its undoing.
func (e dueEntry) live() bool {
	return !e.block.busy && e.block.queued && e.due == e.block.queuedAt
}

// tidy drops stale entries, wherever in the queue they are: each holds a block
// with all that its sender wrote.
func (s *Store) tidy() {
	s.queue = slices.DeleteFunc(s.queue, func(e dueEntry) bool {
		if e.live() {
			return false
		}
		e.block.entries--
		if e.due == e.block.queuedAt {
			e.block.queued = false
		}
		return true
	})
	heap.Init(&s.queue)
	s.loose = 0
}

// front drops and renews stale entries and returns the block that is due next.
func (s *Store) front() *Block {
	for len(s.queue) > 0 {
		e := s.queue[0]
		live := e.live()
		if live && e.due == e.block.Due {
			return e.block
		}
		s.pop()
		if live {
			e.block.queued = false
			s.schedule(e.block)
		}
	}
	return nil
}

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is for package heap.
func (q *dueQueue) Push(x any) { *q = append(*q, x.(dueEntry)) }

// Pop is for package heap.
func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = dueEntry{}
	*q = old[:len(old)-1]
	return last
}
