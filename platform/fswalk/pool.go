// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"context"
	"sync/atomic"

	"hids/platform/fsstat"
)

const (
	batchSize = 32
	// maxOpen bounds the directories that are open at once, whatever the
	// shape of the tree.
	maxOpen = 256
)

// token is the right to have one directory open. It is given back once.
type token struct {
	bucket   chan struct{}
	returned atomic.Bool
}

func (t *token) giveBack() {
	if !t.returned.Swap(true) {
		<-t.bucket
	}
}

// directory is an open directory that items refer to. The last to release it
// closes it.
type directory struct {
	*fsstat.Directory
	*token
	dev, ino uint64
	refs     atomic.Int32
}

func (d *directory) hold() *directory {
	d.refs.Add(1)
	return d
}

func (d *directory) release() {
	if d != nil && d.refs.Add(-1) == 0 {
		_ = d.Close()
		d.giveBack()
	}
}

// abandon lets another directory be opened in place of this one, even if this
// one hangs and stays open.
func (d *directory) abandon() {
	if d != nil {
		d.giveBack()
	}
}

// entry is what a batch holds: what to inspect, and then what came of it.
type entry[T any] struct {
	Item[T]
	dir  *directory // holds the file; nil for the root directory
	self *directory // the file itself, if it is walked
	name string
}

// batch is some entries in order. It is never reused, so a worker that holds
// one for too long finds it exhausted and not someone else's.
type batch[T any] struct {
	entries []entry[T]
	next    atomic.Int32 // the first that no worker has claimed
	left    atomic.Int32 // those not yet done
	done    chan struct{}
}

func newBatch[T any]() *batch[T] {
	return &batch[T]{entries: make([]entry[T], 0, batchSize), done: make(chan struct{})}
}

// claim returns the index of an entry to work on, or -1.
func (b *batch[T]) claim() int {
	for {
		i := int(b.next.Add(1)) - 1
		if i >= len(b.entries) {
			return -1
		}
		if b.entries[i].Event == Found {
			return i
		}
		b.finish() // tells all there is to tell
	}
}

func (b *batch[T]) finish() {
	if b.left.Add(-1) == 0 {
		close(b.done)
	}
}

// pool inspects the entries of batches and hands the batches on in order.
type pool[T any] struct {
	ctx      context.Context // that of one Walk, which ends before its ctx
	o        *Options[T]
	m        *monitor
	ordered  chan *batch[T] // to the consumer
	work     chan *batch[T] // to the workers
	share    chan *batch[T] // from a busy worker to an idle one
	finished chan struct{}  // the consumer has all
	idle     atomic.Int32
	tokens   chan struct{}
	current  *batch[T] // the consumer's
}

func newPool[T any](ctx context.Context, o *Options[T], m *monitor) *pool[T] {
	ring := 8*o.Workers + 8 // so that one slow batch does not soon stop the others
	p := &pool[T]{
		ctx: ctx, o: o, m: m,
		ordered:  make(chan *batch[T], ring),
		work:     make(chan *batch[T], ring),
		share:    make(chan *batch[T], o.Workers),
		finished: make(chan struct{}),
		tokens:   make(chan struct{}, maxOpen),
	}
	for range o.Workers {
		p.start(nil)
	}
	return p
}

// submit hands a batch to the workers and to the consumer.
func (p *pool[T]) submit(b *batch[T]) error {
	b.left.Store(int32(len(b.entries)))
	select {
	case p.ordered <- b:
	case <-p.ctx.Done():
		b.discard()
		return p.ctx.Err()
	}
	select {
	case p.work <- b:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err() // drain finds it among the ordered
	}
}

// discard releases what no worker has claimed.
func (b *batch[T]) discard() {
	for i := b.claim(); i >= 0; i = b.claim() {
		b.entries[i].release()
	}
}

func (e *entry[T]) release() {
	e.dir.release()
	e.self.release()
}

func (p *pool[T]) consume(emit func(*Item[T]) error) error {
	for {
		select {
		case <-p.o.Wake:
			if err := p.o.Pause(); err != nil {
				return err
			}
		case b, more := <-p.ordered:
			if !more {
				close(p.finished)
				return p.ctx.Err()
			}
			p.current = b
			if err := p.hand(b, emit); err != nil {
				return err
			}
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

func (p *pool[T]) hand(b *batch[T], emit func(*Item[T]) error) error {
	for done := false; !done; {
		select {
		case <-b.done:
			done = true
		case <-p.o.Wake:
			if err := p.o.Pause(); err != nil {
				return err
			}
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
	for i := range b.entries {
		if err := emit(&b.entries[i].Item); err != nil {
			return err
		}
	}
	return nil
}

// drain releases the directories of batches that were never worked on. All
// goroutines of the walk have ended.
func (p *pool[T]) drain() {
	if p.current != nil {
		p.current.discard()
	}
	for {
		select {
		case b, more := <-p.ordered:
			if !more {
				return
			}
			b.discard()
		default:
			return
		}
	}
}
