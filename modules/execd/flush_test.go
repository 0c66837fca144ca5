// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"hids/modules/execd/blocks"
	"hids/modules/execd/journal"
)

// stalled is a journal on a disk that takes what is written and does not flush
// it, for a while.
type stalled struct {
	blocks.Journal
	stalls   atomic.Bool
	gate     chan error // what a flush comes to
	begun    chan struct{}
	rewrites atomic.Int64
}

func (j *stalled) stall() error {
	if !j.stalls.Load() {
		return nil
	}
	j.begun <- struct{}{}
	return <-j.gate
}

func (j *stalled) Flush() func() error { return j.stall }

func (j *stalled) Commit(durable bool) error {
	if durable {
		if err := j.stall(); err != nil {
			return err
		}
	}
	return j.Journal.Commit(false)
}

func (j *stalled) Rewrite(r iter.Seq[[]byte]) error {
	j.rewrites.Add(1)
	return j.Journal.Rewrite(r)
}

func withStalled(f *fixture) *stalled {
	s := &stalled{gate: make(chan error, 16), begun: make(chan struct{}, 16)}
	f.parts = func(p *parts) {
		p.open = func(path string) (blocks.Journal, journal.Contents, error) {
			j, c, err := journal.Open(path)
			s.Journal = j
			return s, c, err
		}
	}
	return s
}

// A disk that does not come to an end of its flush holds up no response, and
// what is blocked meanwhile is in the journal: kill -9 would find it there.
func TestStalledDiskDelaysNobody(t *testing.T) {
	f := newFixture(t, "a600 - ardump - 600\n")
	f.programs("ardump")
	disk := withStalled(f)
	f.begin()
	disk.stalls.Store(true)
	f.send("a600 - 203.0.113.1\x00")
	<-disk.begun
	f.send("a600 - 203.0.113.2\x00")
	f.settled()
	if n := len(f.reports()); n != 2 {
		t.Errorf("%d programs ran while the disk stalls", n)
	}
	_, c, err := journal.Open(f.layout.State("execd") + "/" + blocks.FileName)
	if err != nil || c.Damage != nil {
		t.Fatal(err, c.Damage)
	}
	s, _ := blocks.Open(noJournal{}, c.Records, f.clock)
	if s.Len() != 2 {
		t.Errorf("%d blocks are written down", s.Len())
	}
	close(disk.gate)
	<-disk.begun // the second request's
}

// A disk that does not come to an end of its flush keeps no block from being
// undone when execd stops, and nobody waiting for what was never done.
func TestStalledDiskDelaysNoStop(t *testing.T) {
	f := newFixture(t, "a600 - ardump - 600\n")
	f.programs("ardump")
	f.cfg.ActiveResponse.Concurrency = 1
	disk := withStalled(f)
	open, fake := f.parts, &fakePrograms{gate: make(chan struct{})}
	f.parts = func(p *parts) { open(p); p.start = fake.start }
	f.begin()
	disk.stalls.Store(true)
	f.flood("a600", 3) // one runs and two wait
	<-disk.begun
	eventually(t, "one runs", func() bool { return fake.count(add) == 1 })
	f.stop()
	eventually(t, "execd stops", func() bool { return f.log.count("Shutdown received") == 1 })
	close(fake.gate)
	eventually(t, "execd has done all", func() bool { return f.log.count("Exit Cleaning") == 1 })
	if n, left := fake.count(remove), f.d.snapshot().Blocks; n != 1 || left != 0 {
		t.Errorf("%d are undone, %d are left", n, left)
	}
	close(disk.gate)
	f.end()
}

// What could not be flushed is written anew.
func TestFlushFails(t *testing.T) {
	f := newFixture(t, "a600 - ardump - 600\n")
	f.programs("ardump")
	disk := withStalled(f)
	f.begin()
	disk.stalls.Store(true)
	before := disk.rewrites.Load()
	disk.gate <- errors.New("bad disk")
	f.send("a600 - 203.0.113.1\x00")
	eventually(t, "the journal is written anew", func() bool { return disk.rewrites.Load() > before })
	close(disk.gate)
	f.settled()
}
