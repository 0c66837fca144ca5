// SPDX-License-Identifier: Apache-2.0

package blocks_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"hids/modules/execd/blocks"
	"hids/modules/execd/journal"
)

// clock is set by hand. Its wall may be wrong, its boot time never is.
type clock struct {
	wall time.Time
	boot time.Duration
	id   string
}

func (c *clock) Now() time.Time      { return c.wall }
func (c *clock) Boot() time.Duration { return c.boot }
func (c *clock) BootID() string      { return c.id }

func (c *clock) pass(d time.Duration) { c.wall, c.boot = c.wall.Add(d), c.boot+d }

func (c *clock) reboot(off time.Duration) {
	c.wall, c.boot, c.id = c.wall.Add(off), 5*time.Second, c.id+"x"
}

type fixture struct {
	*blocks.Store
	t     *testing.T
	clock *clock
	path  string
}

func open(t *testing.T) *fixture {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "j")}
	f.clock = &clock{wall: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC), boot: time.Hour, id: "a"}
	f.reopen()
	return f
}

// reopen is what happens after kill -9: nothing is closed.
func (f *fixture) reopen() {
	f.t.Helper()
	j, c, err := journal.Open(f.path)
	if err != nil || c.Damage != nil {
		f.t.Fatal(err, c.Damage)
	}
	f.t.Cleanup(func() { j.Close() })
	if f.Store, err = blocks.Open(j, c.Records, f.clock); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) add(key string, timeout time.Duration, p blocks.Policy) *blocks.Block {
	f.t.Helper()
	b := f.Add(blocks.Block{Key: key, Name: "n", Program: "p", Args: []string{"-", key}, Timeout: timeout}, p)
	f.commit()
	return b
}

func (f *fixture) commit() {
	f.t.Helper()
	if err := f.Commit(true); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) due(want ...string) []*blocks.Block {
	f.t.Helper()
	got := f.TakeDue()
	var keys []string
	for _, b := range got {
		keys = append(keys, b.Key)
	}
	if fmt.Sprint(keys) != fmt.Sprint(want) {
		f.t.Fatalf("due %v, want %v", keys, want)
	}
	return got
}

func TestDueInTime(t *testing.T) {
	f := open(t)
	f.add("late", 60*time.Second, blocks.Policy{})
	f.add("soon", 3*time.Second, blocks.Policy{})
	f.add("now", -5*time.Second, blocks.Policy{})
	f.due("now")
	f.clock.pass(3*time.Second - 1)
	f.due()
	if left, ok := f.Next(); !ok || left != 1 {
		t.Errorf("next in %v, %v", left, ok)
	}
	f.clock.pass(1)
	soon := f.due("soon")[0]
	if f.Active("soon") != nil || f.Active("late") == nil {
		t.Error("active does not tell what is in force")
	}
	f.Retry(soon, time.Second)
	f.due()
	f.clock.pass(time.Second)
	f.Remove(f.due("soon")[0])
	f.clock.pass(time.Hour)
	f.due("late")
}

func TestExtendStartsTheTimeAnew(t *testing.T) {
	f := open(t)
	b := f.add("k", 3*time.Second, blocks.Policy{})
	f.clock.pass(2 * time.Second)
	f.Extend(b, blocks.Policy{}, true)
	f.commit()
	f.clock.pass(2 * time.Second)
	f.due()
	f.reopen()
	if b := f.Active("k"); b == nil || b.Count != 2 {
		t.Fatalf("after reopen %+v", b)
	}
	f.clock.pass(time.Second)
	f.due("k")
}

// The ladder of spec 6.6: 30 s, then 1 and 3 minutes.
func TestLadder(t *testing.T) {
	p := blocks.Policy{Ladder: []time.Duration{time.Minute, 3 * time.Minute}}
	f := open(t)
	for _, want := range []time.Duration{30, 60, 180, 180} {
		b := f.add("k", 30*time.Second, p)
		if b.Timeout != want*time.Second {
			t.Fatalf("timeout %v, want %v s", b.Timeout, want)
		}
		f.Remove(b)
		f.commit()
		f.reopen() // a history outlives the process
	}
	// Three requests within one block already reach the top.
	b := f.add("other", 30*time.Second, p)
	f.Extend(b, p, true)
	f.Extend(b, p, true)
	if b.Timeout != 180*time.Second {
		t.Errorf("timeout after two repeats %v", b.Timeout)
	}
	b = f.add("user", 30*time.Second, p)
	f.Extend(b, p, false)
	if b.Timeout != 30*time.Second {
		t.Errorf("climbed without being told to: %v", b.Timeout)
	}
	p.Age = time.Hour
	f.clock.pass(time.Hour + 1)
	if b := f.add("k", 30*time.Second, p); b.Timeout != 30*time.Second {
		t.Errorf("an old history counted: %v", b.Timeout)
	}
}

func TestDeadlinesOutliveTheProcess(t *testing.T) {
	tests := []struct {
		name   string
		happen func(*clock)
		left   time.Duration
	}{
		{"kill", func(c *clock) { c.pass(10 * time.Second) }, 50 * time.Second},
		{"clock set back a year", func(c *clock) { c.wall = c.wall.AddDate(-1, 0, 0) }, 60 * time.Second},
		{"clock set forward a year", func(c *clock) { c.wall = c.wall.AddDate(1, 0, 0) }, 60 * time.Second},
		{"reboot of 10 s", func(c *clock) { c.reboot(10 * time.Second) }, 50 * time.Second},
		{"reboot of an hour", func(c *clock) { c.reboot(time.Hour) }, 60*time.Second - time.Hour},
		{"reboot without a clock", func(c *clock) { c.reboot(-24 * time.Hour) }, 60 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t)
			f.add("k", 60*time.Second, blocks.Policy{})
			tt.happen(f.clock)
			f.reopen()
			if got := f.Left(f.Active("k")); got != tt.left {
				t.Errorf("left %v, want %v", got, tt.left)
			}
			f.clock.pass(max(tt.left, 0))
			f.Remove(f.due("k")[0])
			f.commit()
			f.reopen()
			if f.Len() != 0 {
				t.Error("it is still there after it was undone")
			}
		})
	}
}

func TestStartedIsOfOneBoot(t *testing.T) {
	f := open(t)
	b := f.add("k", time.Hour, blocks.Policy{})
	if !f.NeedsStart(b) {
		t.Error("a block that was only written counts as started")
	}
	f.Started(b)
	f.commit()
	f.reopen()
	if f.NeedsStart(f.Active("k")) {
		t.Error("started again in the same boot")
	}
	f.clock.reboot(time.Second)
	f.reopen()
	if !f.NeedsStart(f.Active("k")) {
		t.Error("not started after a reboot")
	}
}

// What an earlier process wrote down, it may have begun.
func TestRestoredIsBegun(t *testing.T) {
	f := open(t)
	if f.add("k", time.Hour, blocks.Policy{}).Begun {
		t.Error("a new block is begun")
	}
	f.reopen()
	if !f.Active("k").Begun {
		t.Error("a block of an earlier process counts as never begun")
	}
}

// Blocks that end before their time leave nothing in memory.
func TestEndedEarlyCostsNoMemory(t *testing.T) {
	s, err := blocks.Open(nowhere{}, nil, &clock{})
	if err != nil {
		t.Fatal(err)
	}
	stays := s.Add(blocks.Block{Key: "stays", Timeout: time.Minute}, blocks.Policy{})
	before := live()
	for i := range 5000 {
		b := s.Add(blocks.Block{Key: fmt.Sprint(i), Alert: make([]byte, 32<<10), Timeout: time.Hour}, blocks.Policy{})
		s.Extend(b, blocks.Policy{}, false)
		s.Remove(b)
	}
	if grown := live() - before; grown > 48<<20 {
		t.Errorf("%d bytes are held for blocks that are gone", grown)
	}
	if left, any := s.Next(); !any || left != time.Minute {
		t.Errorf("next is due in %v, %v", left, any)
	}
	s.Extend(stays, blocks.Policy{}, false)
}

// They leave as little where many others stay.
func TestGoneBlocksAreBoundedInBytes(t *testing.T) {
	s, err := blocks.Open(nowhere{}, nil, &clock{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4000 {
		s.Add(blocks.Block{Key: fmt.Sprint("stays", i), Timeout: 2 * time.Hour}, blocks.Policy{})
	}
	before := live()
	for i := range 5000 {
		s.Remove(s.Add(blocks.Block{Key: fmt.Sprint(i), Alert: make([]byte, 32<<10), Timeout: time.Hour}, blocks.Policy{}))
	}
	if grown := live() - before; grown > 48<<20 {
		t.Errorf("%d bytes are held for blocks that are gone", grown)
	}
	if left, any := s.Next(); !any || left != 2*time.Hour {
		t.Errorf("next is due in %v, %v", left, any)
	}
}

// So do those that have more than one entry in the queue, as a block has whose
// program failed.
func TestFailedBlocksAreBoundedInBytes(t *testing.T) {
	s, err := blocks.Open(nowhere{}, nil, &clock{})
	if err != nil {
		t.Fatal(err)
	}
	s.Add(blocks.Block{Key: "first", Timeout: 30 * time.Minute}, blocks.Policy{})
	before := live()
	for i := range 1000 {
		s.End(s.Add(blocks.Block{Key: fmt.Sprint(i), Alert: make([]byte, 60<<10), Timeout: time.Hour}, blocks.Policy{}))
		for _, b := range s.TakeDue() {
			s.Remove(b)
		}
	}
	if grown := live() - before; grown > 32<<20 {
		t.Errorf("%d bytes are held for blocks that are gone", grown)
	}
	if left, any := s.Next(); !any || left != 30*time.Minute {
		t.Errorf("next is due in %v, %v", left, any)
	}
}

func live() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// However often the queue is tidied up, no block that is left is forgotten, and
// each comes at its time.
func TestTidyingForgetsNobody(t *testing.T) {
	c := &clock{}
	s, err := blocks.Open(nowhere{}, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	left := map[uint64]time.Duration{}
	for i := range 20_000 {
		b := s.Add(blocks.Block{Key: fmt.Sprint(i), Timeout: time.Duration(i*7919%5000+1) * time.Second}, blocks.Policy{})
		switch i % 20 {
		case 0:
			b.Timeout *= 2
			s.Extend(b, blocks.Policy{}, false)
			left[b.ID] = b.Due
		case 1:
			for range 3 { // undoing fails, again and again
				s.End(b)
				for _, due := range s.TakeDue() {
					s.Retry(due, time.Duration(i)*time.Second)
				}
			}
			left[b.ID] = b.Due
		default:
			s.End(b)
			for _, due := range s.TakeDue() {
				s.Remove(due)
			}
		}
	}
	for len(left) > 0 {
		wait, any := s.Next()
		if !any {
			t.Fatalf("%d blocks are forgotten", len(left))
		}
		c.pass(wait)
		for _, b := range s.TakeDue() {
			if left[b.ID] != c.boot {
				t.Fatalf("block %d comes at %v, is due at %v", b.ID, c.boot, left[b.ID])
			}
			delete(left, b.ID)
			s.Remove(b)
		}
	}
}

// A block whose undoing was under way when the queue was tidied up, and failed,
// comes again.
func TestTidyingWhileUndoing(t *testing.T) {
	c := &clock{}
	s, err := blocks.Open(nowhere{}, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(blocks.Block{Key: "k", Timeout: time.Second}, blocks.Policy{})
	taken := s.TakeAll()
	for i := range 3000 {
		s.Remove(s.Add(blocks.Block{Key: fmt.Sprint(i), Timeout: time.Hour}, blocks.Policy{}))
	}
	s.Retry(taken[0], 2*time.Second)
	c.pass(2 * time.Second)
	if due := s.TakeDue(); len(due) != 1 || due[0] != taken[0] {
		t.Errorf("%d are due", len(due))
	}
}

func TestEndedByHandStaysEnded(t *testing.T) {
	f := open(t)
	f.End(f.add("k", time.Hour, blocks.Policy{}))
	f.commit()
	again := f.add("k", time.Hour, blocks.Policy{})
	f.reopen()
	if b := f.Active("k"); b == nil || b.ID != again.ID {
		t.Fatalf("active %+v", b)
	}
	f.due("k")
	f.due()
}

func TestRekey(t *testing.T) {
	f := open(t)
	f.Rekey(f.add("k", time.Hour, blocks.Policy{}), "l")
	f.commit()
	f.reopen()
	if f.Active("k") != nil || f.Active("l") == nil {
		t.Error("the key did not change")
	}
}

// What a sender wrote comes back byte for byte: undoing must name what was done.
func TestWordsComeBack(t *testing.T) {
	words := [][]string{{"-", "1.2.3.4", ""}, {"\xff\xfe", "a\nb", "\u2028<&>"}, {}}
	for _, w := range words {
		f := open(t)
		f.Add(blocks.Block{Key: "k", Args: w, Timeout: time.Hour}, blocks.Policy{})
		f.commit()
		f.reopen()
		if got := []string(f.Active("k").Args); !slices.Equal(got, w) {
			t.Errorf("got %q, want %q", got, w)
		}
	}
}

func TestManyExtensionsCostNoMemory(t *testing.T) {
	f := open(t)
	b := f.add("k", time.Hour, blocks.Policy{})
	allocs := testing.AllocsPerRun(10000, func() {
		f.clock.pass(time.Millisecond)
		f.Extend(b, blocks.Policy{}, true)
		f.commitLazily()
	})
	if allocs > 20 {
		t.Errorf("%v allocations for each", allocs)
	}
	if err := f.Compact(); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	if got := f.Active("k"); got.Count != b.Count || got.Due != b.Due {
		t.Errorf("after compaction %+v, want %+v", got, b)
	}
}

func (f *fixture) commitLazily() {
	if err := f.Commit(false); err != nil {
		f.t.Fatal(err)
	}
}

// failing is a journal on a disk that comes back.
type failing struct {
	blocks.Journal
	bad bool
}

var errDisk = errors.New("disk")

func (j *failing) Commit(durable bool) error {
	if j.bad {
		return errDisk
	}
	return j.Journal.Commit(durable)
}

func (j *failing) Rewrite(r iter.Seq[[]byte]) error {
	if j.bad {
		return errDisk
	}
	return j.Journal.Rewrite(r)
}

func TestDiskComesBack(t *testing.T) {
	f := open(t)
	j, c, err := journal.Open(f.path)
	if err != nil {
		t.Fatal(err)
	}
	disk := &failing{Journal: j, bad: true}
	s, err := blocks.Open(disk, c.Records, f.clock)
	if !errors.Is(err, errDisk) || s == nil {
		t.Fatalf("open on a bad disk: %v, %v", s, err)
	}
	s.Add(blocks.Block{Key: "k", Timeout: time.Hour}, blocks.Policy{})
	if err := s.Commit(true); !errors.Is(err, errDisk) {
		t.Fatalf("commit on a bad disk: %v", err)
	}
	if s.Active("k") == nil {
		t.Error("a block is lost because the disk is bad")
	}
	disk.bad = false
	if err := s.Commit(true); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	if f.Active("k") == nil {
		t.Error("what was decided on a bad disk was not written later")
	}
}

// What a flush failed on is written anew, into another file.
func TestFlushFails(t *testing.T) {
	f := open(t)
	j, c, err := journal.Open(f.path)
	if err != nil {
		t.Fatal(err)
	}
	disk := &failing{Journal: j}
	s, err := blocks.Open(disk, c.Records, f.clock)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Flush()
	s.Add(blocks.Block{Key: "k", Timeout: time.Hour}, blocks.Policy{})
	if err := s.Commit(false); err != nil {
		t.Fatal(err)
	}
	disk.bad = true
	s.Distrust()
	if err := s.Commit(false); !errors.Is(err, errDisk) {
		t.Errorf("commit after a failed flush, on a bad disk: %v", err)
	}
	disk.bad = false
	if err := s.Commit(false); err != nil {
		t.Fatal(err)
	}
	if err := before(); err != nil {
		t.Errorf("flush of a file that was replaced: %v", err)
	}
	if err := s.Flush()(); err != nil {
		t.Error(err)
	}
	f.reopen()
	if f.Active("k") == nil {
		t.Error("what could not be flushed was not written anew")
	}
}

func TestUnknownRecordsAreTold(t *testing.T) {
	f := open(t)
	j, _, err := journal.Open(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"{", `{"op":"later"}`, `{"op":"put"}`, `{"op":"done","id":7}`} {
		_, err := blocks.Open(j, [][]byte{[]byte(r)}, f.clock)
		if (err == nil) != (r == `{"op":"done","id":7}`) {
			t.Errorf("%s: error %v", r, err)
		}
	}
}

// slow is a disk that takes its time to refuse.
type slow struct {
	nowhere
	clock *clock
	tries int
}

func (j *slow) Commit(bool) error { return errDisk }

func (j *slow) Rewrite(iter.Seq[[]byte]) error {
	j.tries++
	j.clock.pass(time.Second)
	return errDisk
}

// A disk that refuses slowly takes a tenth of the time and no more, and each
// Commit says that nothing is written.
func TestBadDiskIsNotTriedAllTheTime(t *testing.T) {
	c := &clock{}
	j := &slow{clock: c}
	s, err := blocks.Open(j, nil, c)
	if !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	j.tries = 0
	begun := c.boot
	for c.boot-begun < 110*time.Second {
		if err := s.Commit(true); !errors.Is(err, errDisk) {
			t.Fatalf("committed: %v", err)
		}
		c.pass(100 * time.Millisecond)
	}
	if j.tries != 10 {
		t.Errorf("%d tries", j.tries)
	}
}

// nowhere is a journal that keeps nothing.
type nowhere struct{}

func (nowhere) Append([]byte) error            { return nil }
func (nowhere) Commit(bool) error              { return nil }
func (nowhere) Rewrite(iter.Seq[[]byte]) error { return nil }
func (nowhere) Flush() func() error            { return func() error { return nil } }
func (nowhere) Size() int64                    { return 0 }

// What attackers fill the table with has a limit in bytes too, and room comes
// back with each block that ends.
func TestTableHasALimit(t *testing.T) {
	s, err := blocks.Open(nowhere{}, nil, &clock{})
	if err != nil {
		t.Fatal(err)
	}
	alert := bytes.Repeat([]byte("1"), 64<<10)
	n := 0
	for ; !s.Full(); n++ {
		s.Add(blocks.Block{Key: fmt.Sprint(n), Alert: alert, Timeout: time.Hour}, blocks.Policy{})
	}
	if n < 2000 || n > 2048 {
		t.Errorf("full with %d blocks", n)
	}
	s.Remove(s.Active("0"))
	if s.Full() {
		t.Error("no room although a block has ended")
	}
	s.Add(blocks.Block{Key: "0", Alert: alert, Timeout: time.Hour}, blocks.Policy{})
	if !s.Full() {
		t.Error("there is room for one more than before")
	}
}
