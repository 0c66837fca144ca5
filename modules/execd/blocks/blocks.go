// SPDX-License-Identifier: Apache-2.0

// Package blocks holds what is blocked now and until when, and who has offended
// how often, durably: every change is in the journal before its caller acts on
// it. Deciding whether to block, and running the programs that do, is not done
// here.
package blocks

import (
	"cmp"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"
)

// FileName is the journal's, in execd's state folder.
const FileName = "blocks.journal"

// Limits of the table. An attacker chooses how many addresses there are.
const (
	MaxBlocks    = 100_000
	MaxBytes     = 128 << 20 // of what senders wrote: an alert of Wazuh's may have 64 KiB
	MaxOffenders = 100_000
)

// compactAbove is the size below which the journal is never rewritten.
const compactAbove = 1 << 20

// Clock tells the time in the two ways a deadline needs.
type Clock interface {
	Now() time.Time      // the wall clock, which anybody may set
	Boot() time.Duration // since the machine started; goes forward only
	BootID() string      // which start of the machine; "" when nobody knows
}

// Journal is where a Store writes.
type Journal interface {
	Append(record []byte) error
	Commit(durable bool) error
	Flush() func() error // makes durable what is committed now; may run beside everything else
	Rewrite(records iter.Seq[[]byte]) error
	Size() int64
}

// Block is one thing that was done and has to be undone.
type Block struct {
	ID      uint64          `json:"id"`
	Key     string          `json:"key"`     // requests with the same key are about the same block
	Lane    string          `json:"lane"`    // programs with the same lane run one after the other
	Name    string          `json:"name"`    // as in ar.conf
	Program string          `json:"program"` // below active-response/bin, as in ar.conf
	Args    Words           `json:"args"`    // of the first request; the undoing gets the same
	Extra   json.RawMessage `json:"extra,omitempty"`
	Alert   json.RawMessage `json:"alert,omitempty"` // set: the program speaks Wazuh's protocol
	By      string          `json:"by"`              // who asked
	Since   time.Time       `json:"since"`
	Until   time.Time       `json:"until"` // by the wall clock when it was written
	Timeout time.Duration   `json:"timeout"`
	Prefix  int             `json:"prefix,omitempty"` // length of the IPv6 network that is blocked with the address; 0: none
	Boot    string          `json:"boot,omitempty"`   // Due counts from the start of this boot
	Due     time.Duration   `json:"due"`
	Count   int             `json:"count"`             // requests that this block answers
	Level   int             `json:"level,omitempty"`   // how many blocks of this offender came before
	Applied string          `json:"applied,omitempty"` // the boot in which the program was started
	Ending  bool            `json:"ending,omitempty"`  // its time has passed, or an operator ended it

	Failures int           `json:"-"` // how often undoing failed
	Begun    bool          `json:"-"` // its program was or is being started, or may have been
	busy     bool          // undoing is under way
	entries  int           // how many it has in the queue, stale ones too
	queued   bool          // it has an entry in the queue
	queuedAt time.Duration // that entry's deadline; never later than Due
}

// Policy is the ladder for repeated offenders (OSSEC's repeated_offenders).
type Policy struct {
	Ladder []time.Duration // the timeout of the second block, the third …; the last one stays
	Age    time.Duration   // a history this old is forgotten; 0: never
}

type offender struct {
	N    int       `json:"n"`
	Last time.Time `json:"last"`
}

// Store is the table. It is not for concurrent use.
type Store struct {
	clock     Clock
	journal   Journal
	byID      map[uint64]*Block
	active    map[string]*Block // by key, without those that are ending
	offenders map[string]offender
	queue     dueQueue
	bytes     int // of all blocks
	loose     int // of blocks that are gone and may still be in queue
	lastID    uint64
	mark      string // of a block that was started in this boot
	broken    bool   // the journal failed; a later Commit writes everything anew
	fault     error  // of the last try to
	tryAt     time.Duration
	needed    int64 // the journal's size when it was last rewritten
}

// Open replays a journal's records and writes them back compacted. The error
// says that the table is kept in memory only until a Commit succeeds, or that
// records were not understood; the Store is usable in any case.
func Open(j Journal, records [][]byte, c Clock) (*Store, error) {
	s := &Store{
		clock: c, journal: j,
		byID: map[uint64]*Block{}, active: map[string]*Block{}, offenders: map[string]offender{},
	}
	var faults error
	for _, r := range records {
		faults = errors.Join(faults, s.replay(r))
	}
	for _, b := range s.byID {
		s.restore(b)
	}
	return s, errors.Join(faults, s.rewrite())
}

// restore puts a block's deadline on this boot's clock. Within one boot it is
// exact. After a boot only the wall clock is left, and it may have been wrong
// then or now: nothing lasts longer than its timeout from now.
//
// What an earlier process has written down it may have begun, and died before it
// could say so; and what was begun in another boot may have changed a file.
func (s *Store) restore(b *Block) {
	b.Begun = true
	if b.Boot == "" || b.Boot != s.clock.BootID() {
		left := min(b.Until.Sub(s.clock.Now()), max(b.Timeout, 0))
		b.Boot, b.Due = s.clock.BootID(), s.clock.Boot()+left
	}
	if b.Ending {
		b.Due = s.clock.Boot()
	} else {
		s.active[b.Key] = b
	}
	s.schedule(b)
}

// Active returns the block for key that is in force, or nil.
func (s *Store) Active(key string) *Block { return s.active[key] }

// Get returns a block by its id, or nil.
func (s *Store) Get(id uint64) *Block { return s.byID[id] }

// Len is how many blocks there are, those that are ending included.
func (s *Store) Len() int { return len(s.byID) }

// Full says that there is no room for another block.
func (s *Store) Full() bool { return len(s.byID) >= MaxBlocks || s.bytes >= MaxBytes }

// hold takes a block in.
func (s *Store) hold(b *Block) {
	s.drop(b.ID)
	s.byID[b.ID] = b
	s.bytes += b.size()
}

func (s *Store) drop(id uint64) {
	if b := s.byID[id]; b != nil {
		s.bytes -= b.size()
		delete(s.byID, id)
	}
}

// size is about what a block costs. It never changes.
func (b *Block) size() int {
	n := 512 + len(b.Extra) + len(b.Alert)
	for _, w := range b.Args {
		n += len(w) + 16
	}
	return n
}

// Add puts a new block in force. Its timeout is b.Timeout for a new offender
// and a step of the ladder for a known one.
func (s *Store) Add(b Block, p Policy) *Block {
	level, timeout := s.climb(b.Key, b.Timeout, p)
	s.lastID++
	b.ID, b.Level, b.Timeout, b.Count = s.lastID, level, timeout, 1
	b.Since = s.clock.Now()
	s.setDue(&b)
	s.hold(&b)
	s.active[b.Key] = &b
	s.schedule(&b)
	s.write(record{Op: opPut, Block: &b})
	return &b
}

// Extend starts a block's time anew. With climb the offender goes up the
// ladder, and the block takes the new timeout.
func (s *Store) Extend(b *Block, p Policy, climb bool) {
	if climb {
		_, b.Timeout = s.climb(b.Key, b.Timeout, p)
	}
	b.Count++
	s.setDue(b)
	s.schedule(b)
	s.write(record{Op: opExtend, ID: b.ID, Until: b.Until, Boot: b.Boot, Due: b.Due, Timeout: b.Timeout, Count: b.Count})
}

// Rekey makes a block answer for another key.
func (s *Store) Rekey(b *Block, key string) {
	if s.active[b.Key] == b {
		delete(s.active, b.Key)
		s.active[key] = b
	}
	b.Key = key
	s.write(record{Op: opPut, Block: b})
}

// climb is OSSEC's algorithm: the first block of an offender has the normal
// timeout and is remembered, the next n take the ladder's steps, and then the
// last step stays. A block with timeout 0 never gets here.
func (s *Store) climb(key string, base time.Duration, p Policy) (int, time.Duration) {
	if len(p.Ladder) == 0 {
		return 0, base
	}
	now := s.clock.Now()
	o, known := s.offenders[key]
	if p.Age > 0 && now.Sub(o.Last) > p.Age {
		known = false
	}
	timeout := base
	if known {
		timeout = p.Ladder[min(o.N, len(p.Ladder)-1)]
		o.N = min(o.N+1, len(p.Ladder))
	} else {
		o.N = 0
	}
	o.Last = now
	s.remember(key, o)
	s.write(record{Op: opOffender, Key: key, Offender: &o})
	return o.N, timeout
}

// remember forgets the tenth that has been quiet longest when there is no room.
func (s *Store) remember(key string, o offender) {
	if _, known := s.offenders[key]; !known && len(s.offenders) >= MaxOffenders {
		oldest := slices.SortedFunc(maps.Keys(s.offenders), func(a, b string) int {
			return s.offenders[a].Last.Compare(s.offenders[b].Last)
		})
		for _, k := range oldest[:MaxOffenders/10] {
			delete(s.offenders, k)
		}
	}
	s.offenders[key] = o
}

func (s *Store) setDue(b *Block) {
	b.Boot, b.Due = s.clock.BootID(), s.clock.Boot()+b.Timeout
	b.Until = s.clock.Now().Add(b.Timeout)
}

// Started notes that the block's program was started, so that it is not
// started again in this boot.
func (s *Store) Started(b *Block) {
	b.Applied = s.appliedMark()
	s.write(record{Op: opApplied, ID: b.ID, Boot: b.Applied})
}

// NeedsStart says that the block's program was not started in this boot.
func (s *Store) NeedsStart(b *Block) bool { return b.Applied != s.appliedMark() }

// appliedMark is one text for all blocks of a boot.
func (s *Store) appliedMark() string {
	const prefix = "boot "
	if id := s.clock.BootID(); len(s.mark) != len(prefix)+len(id) || s.mark[len(prefix):] != id {
		s.mark = prefix + id
	}
	return s.mark
}

// End ends a block before its time. Undoing it is due at once.
func (s *Store) End(b *Block) {
	s.retire(b)
	b.Due = s.clock.Boot()
	s.schedule(b)
	s.write(record{Op: opEnd, ID: b.ID})
}

func (s *Store) retire(b *Block) {
	b.Ending = true
	if s.active[b.Key] == b {
		delete(s.active, b.Key)
	}
}

// TakeDue returns the blocks whose undoing is due, in the order they were made,
// and takes it that their undoing is under way until Retry or Remove.
func (s *Store) TakeDue() []*Block {
	now := s.clock.Boot()
	var due []*Block
	for {
		b := s.front()
		if b == nil || b.Due > now {
			break
		}
		s.pop()
		b.queued = false
		due = append(due, s.take(b))
	}
	slices.SortFunc(due, byID)
	return due
}

// TakeAll is TakeDue for every block, whatever its time, without those whose
// undoing is under way.
func (s *Store) TakeAll() []*Block {
	var all []*Block
	for _, b := range s.byID {
		if !b.busy {
			all = append(all, s.take(b))
		}
	}
	slices.SortFunc(all, byID)
	return all
}

// take is written down: after a crash in the middle of its undoing, a block must
// not be taken for one in force, which a request would only prolong.
func (s *Store) take(b *Block) *Block {
	if !b.Ending {
		s.write(record{Op: opEnd, ID: b.ID})
	}
	s.retire(b)
	b.busy = true
	return b
}

func byID(a, b *Block) int { return cmp.Compare(a.ID, b.ID) }

// Next returns in how long the next undoing is due; false: nothing is.
func (s *Store) Next() (time.Duration, bool) {
	b := s.front()
	if b == nil {
		return 0, false
	}
	return b.Due - s.clock.Boot(), true
}

// Retry makes the undoing of a block due again after a while.
func (s *Store) Retry(b *Block, after time.Duration) {
	b.busy = false
	b.Failures++
	b.Due = s.clock.Boot() + after
	s.schedule(b)
}

// Remove forgets a block: it is undone.
func (s *Store) Remove(b *Block) {
	s.retire(b)
	b.busy = true // whatever is left of it in the queue is stale
	if b.entries > 0 && s.byID[b.ID] == b {
		s.loose += b.size()
	}
	s.drop(b.ID)
	if s.loose > looseBytes {
		s.tidy()
	}
	s.write(record{Op: opDone, ID: b.ID})
}

// Left is how long a block has still to go by the clock that nobody sets.
func (s *Store) Left(b *Block) time.Duration { return b.Due - s.clock.Boot() }

// Shown returns a copy of a block. Until is by the wall clock as it is now.
func (s *Store) Shown(b *Block) Block {
	c := *b
	c.Until = s.clock.Now().Add(s.Left(b))
	return c
}

// List returns copies of all blocks, each as Shown, in the order they were made.
func (s *Store) List() []Block {
	list := make([]Block, 0, len(s.byID))
	for _, b := range s.byID {
		list = append(list, s.Shown(b))
	}
	slices.SortFunc(list, func(a, b Block) int { return byID(&a, &b) })
	return list
}
