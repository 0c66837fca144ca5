// SPDX-License-Identifier: Apache-2.0

package fswalk

import "hids/platform/fsstat"

// worker inspects one entry after the other. While an operation is under way
// it touches nothing but its own fields, for it may be left behind.
type worker[T any] struct {
	p         *pool[T]
	inspector Inspector[T]
	slot      *slot
	name      fsstat.Name
	task      Task
	out       T
	dir, self *directory

	// What it works on; written while the slot is idle.
	batch *batch[T]
	index int
}

// start starts a worker, which first goes on with b.
func (p *pool[T]) start(b *batch[T]) {
	w := &worker[T]{p: p, inspector: p.o.Inspector()}
	w.slot = p.m.newSlot(w.abandoned)
	w.task.slot = w.slot
	p.m.wg.Add(1)
	go w.run(b)
}

func (w *worker[T]) run(b *batch[T]) {
	work := w.p.work
	for {
		if b != nil && !w.all(b) {
			return // left behind: the monitor has said Done in our place
		}
		if b = w.wait(&work); b == nil && w.over() {
			w.p.m.remove(w.slot)
			w.p.m.wg.Done()
			return
		}
	}
}

// wait returns the next batch to work on. nil: look whether it is over. Once
// there are no new batches, work is set to nil; another worker's may still be
// worth sharing.
func (w *worker[T]) wait(work *chan *batch[T]) *batch[T] {
	w.p.idle.Add(1)
	defer w.p.idle.Add(-1)
	select {
	case b, open := <-*work:
		if !open {
			*work = nil
		}
		return b
	case b := <-w.p.share:
		return b
	case <-w.p.finished:
	case <-w.p.ctx.Done():
	}
	return nil
}

// over reports whether there will be no more work.
func (w *worker[T]) over() bool {
	select {
	case <-w.p.finished:
		return true
	case <-w.p.ctx.Done():
		return true
	default:
		return false
	}
}

// all works on b until no entry is left. It is false once the worker was left
// behind.
func (w *worker[T]) all(b *batch[T]) bool {
	for i := b.claim(); i >= 0; i = b.claim() {
		if w.p.idle.Load() > 0 && int(b.next.Load()) < len(b.entries) {
			select {
			case w.p.share <- b:
			default:
			}
		}
		if !w.one(b, i) {
			return false
		}
		if w.p.ctx.Err() != nil {
			return true
		}
	}
	return true
}

func (w *worker[T]) one(b *batch[T], i int) bool {
	e := &b.entries[i]
	w.batch, w.index = b, i
	w.dir, w.self = e.dir, e.self
	var dev uint64
	if e.dir != nil {
		dev = e.dir.dev
	}
	if w.p.m.dead(dev) {
		e.Event, e.Err = Unknown, ErrHung
		e.release()
		b.finish()
		return true
	}
	w.prepare(e)
	w.slot.begin(dev)
	w.inspector.Inspect(w.p.ctx, &w.task, &w.out)
	mine := w.slot.end()
	w.dir.release()
	w.self.release()
	if !mine {
		return false
	}
	e.Value = w.out
	b.finish()
	return true
}

func (w *worker[T]) prepare(e *entry[T]) {
	var zero T
	w.out = zero
	w.name.Set(e.name)
	w.task.Path, w.task.Kind, w.task.Name = e.Path, e.Kind, &w.name
	w.task.Dir, w.task.Self = nil, nil
	if e.dir != nil {
		w.task.Dir = e.dir.Directory
	}
	if e.self != nil {
		w.task.Self = e.self.Directory
	}
}

// abandoned is called by the monitor: the entry is told to hang, and another
// worker goes on. The directories stay open until the operation returns.
func (w *worker[T]) abandoned() {
	e := &w.batch.entries[w.index]
	e.Event, e.Err = Unknown, ErrHung
	w.dir.abandon()
	w.self.abandon()
	w.batch.finish()
	if w.p.ctx.Err() == nil {
		w.p.start(w.batch)
	}
}
