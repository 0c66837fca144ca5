// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"log/slog"
	"path"
	"strings"
	"time"

	"hids/modules/execd/blocks"
	"hids/modules/execd/request"
	"hids/modules/execd/response"
)

// lookAgain bounds how long the clock sleeps while a block is in force: a timer
// does not count the time a machine was suspended, deadlines do.
const lookAgain = time.Minute

// stopLimit is how long undoing everything may take at the end. With
// turnAwayLimit it must stay below what a supervisor waits for a module to end,
// 40 s, and OSSEC's control script, 45 s; what is left then waits in the journal.
const stopLimit = 30 * time.Second

// jobFor makes the job that does or undoes a block.
func (d *Daemon) jobFor(b *blocks.Block, action string) *job {
	prog, err := d.programs().find(b.Program)
	j := &job{
		lane: b.Lane, action: action, name: b.Name, words: b.Args, prog: prog, broken: err,
		by: b.By, block: b, until: d.clock.Now().Add(d.store.Left(b)),
	}
	if b.Alert != nil {
		j.wazuh = &request.Wazuh{Extra: b.Extra, Alert: b.Alert}
	}
	return j
}

// expire undoes each block when its time has passed.
func (d *Daemon) expire(ctx context.Context) {
	for {
		wait := d.undoDue()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-d.wake:
			timer.Stop()
		}
	}
}

// undoDue starts what is due and returns how long to sleep.
func (d *Daemon) undoDue() time.Duration {
	d.mu.Lock()
	var jobs []*job
	for _, b := range d.store.TakeDue() {
		jobs = append(jobs, d.jobFor(b, remove))
	}
	if len(jobs) > 0 || d.unsaved {
		d.commit(false) // before anything is undone; and the disk may be well again
	}
	ready := d.enter(jobs)
	if err := d.store.Compact(); err != nil {
		d.log.Warn("journal of blocks can't be rewritten", "err", err)
	}
	next, any := d.store.Next()
	d.mu.Unlock()
	for _, j := range ready {
		go d.run(j)
	}
	if !any {
		return 24 * time.Hour // until somebody wakes us
	}
	return min(max(next, 0), lookAgain)
}

// restore does again what this boot has not seen: the machine was started anew
// with blocks in force, or execd died between writing and doing. What is due
// is left to the clock.
func (d *Daemon) restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var jobs []*job
	for _, listed := range d.store.List() {
		b := d.store.Get(listed.ID)
		if b.Ending || d.store.Left(b) <= 0 || !d.store.NeedsStart(b) {
			continue
		}
		jobs = append(jobs, d.restoring(b)...)
	}
	d.save()
	for _, j := range d.enter(jobs) {
		go d.run(j)
	}
}

// restoring returns the jobs that put a block in force again. What the keeper
// keeps is left to it. A built-in response may be asked twice. Any other
// program may have left something that a second add would double (a line in
// hosts.deny), so it undoes first.
func (d *Daemon) restoring(b *blocks.Block) []*job {
	d.log.Info("block is put in force again", "response", b.Name, "id", b.ID)
	again := d.jobFor(b, add)
	again.again = true
	if d.keeper.Keeps(kept(b, again.until)) {
		d.store.Started(b)
		return nil
	}
	if again.prog.builtIn {
		return []*job{again}
	}
	undo := d.jobFor(b, remove)
	undo.block = nil
	return []*job{undo, again}
}

func kept(b *blocks.Block, until time.Time) response.Block {
	k := response.Block{Program: strings.TrimLeft(path.Clean("/"+b.Program), "/"), Until: until, Prefix: b.Prefix}
	if len(b.Args) > 1 {
		k.IP = b.Args[1]
	}
	return k
}

// shutDown undoes everything in the order it was done, one after the other, as
// OSSEC does, or keeps it for the next start. A program that is running is
// waited for where something of its own is to be undone; others, like the
// restart that may be the reason for this, are left alone. Requests that wait are
// refused: who knows when execd is started again.
func (d *Daemon) shutDown(ctx context.Context) {
	d.mu.Lock()
	d.stopping = true
	keep := d.policy.keepOnStop
	d.mu.Unlock()
	dismissed, ready := d.lanes.dismiss()
	if keep { // those that undo too: nobody would see them to their end
		d.log.Info("blocks are kept for the next start", "count", d.snapshot().Blocks)
	} else {
		d.ossec(slog.LevelInfo, 1314, "Shutdown received. Deleting responses.")
		for _, j := range ready {
			go d.run(j)
		}
		d.undoAll(context.WithoutCancel(ctx))
	}
	d.turnAwayAll(context.WithoutCancel(ctx), dismissed, keep)
	d.ossec(slog.LevelInfo, 1225, "SIGNAL Received. Exit Cleaning...")
}

func (d *Daemon) undoAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	d.mu.Lock()
	all := d.store.TakeAll()
	d.commit(false)
	d.mu.Unlock()
	for i, b := range all {
		if ctx.Err() != nil {
			d.log.Warn("not all blocks could be undone in time: the rest waits for the next start", "count", len(all)-i)
			return
		}
		d.undoOne(ctx, b)
	}
	select {
	case <-d.lanes.whenUndone():
	case <-ctx.Done():
	}
}

// stepLimit is how long the end waits for one undoing before it goes on to the
// next: a program that hangs must not take the time of all others.
const stepLimit = 3 * time.Second

// undoOne undoes a block and waits a while for the end of it.
func (d *Daemon) undoOne(ctx context.Context, b *blocks.Block) {
	d.mu.Lock()
	if d.store.NeedsStart(b) && !b.Begun {
		d.store.Remove(b) // it was never done
		d.save()
		d.mu.Unlock()
		return
	}
	j := d.jobFor(b, remove)
	j.done = make(chan struct{})
	ready := d.enter([]*job{j})
	d.mu.Unlock()
	for _, j := range ready {
		d.run(j)
	}
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	select {
	case <-j.done:
	case <-ctx.Done():
	}
}
