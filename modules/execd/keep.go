// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"errors"
	"time"

	"hids/modules/execd/blocks"
	"hids/modules/execd/response"
)

// renewal is a block whose end has changed.
type renewal struct{ id uint64 }

// rest is the least time between two times that rules are put back: who fights
// with another program over the packet filter must not take all of the CPU.
const rest = 2 * time.Second

// retryKeeping is the pause before rules that could not be put back are tried
// again.
const retryKeeping = 30 * time.Second

// renewEnd has the packet filter told that a block goes on. The caller holds mu.
func (d *Daemon) renewEnd(b *blocks.Block) {
	select {
	case d.renew <- renewal{b.ID}:
	default: // so many that all are looked at
		d.renewAll.Store(true)
	}
}

// renewed returns the ids of the blocks whose end has changed, first and those
// that wait; nil: all have to be looked at.
func (d *Daemon) renewed(first renewal) map[uint64]bool {
	ids := map[uint64]bool{first.id: true}
	for len(d.renew) > 0 {
		ids[(<-d.renew).id] = true
	}
	if d.renewAll.Swap(false) {
		return nil
	}
	return ids
}

// keep puts blocks back into the packet filter: those of an earlier process at
// the start, those whose end has changed, and all when somebody else took our
// rules away. It watches before it looks: no change falls between.
func (d *Daemon) keep(ctx context.Context) {
	var lost <-chan struct{}
	d.keepMu.RLock()
	watcher, err := d.keeper.Watch(ctx)
	d.keepMu.RUnlock()
	switch {
	case err == nil:
		defer watcher.Close()
		lost = watcher.Lost()
	case !errors.Is(err, errors.ErrUnsupported):
		d.log.Info("packet filter is not watched: rules that others remove are put back at the next start", "err", err)
	}
	done := d.reconcile(ctx, nil)
	for {
		var retry <-chan time.Time
		if !done {
			retry = time.After(retryKeeping)
		}
		var only map[uint64]bool // nil: all blocks
		select {
		case <-ctx.Done():
			return
		case r := <-d.renew:
			if done {
				only = d.renewed(r)
			}
		case <-retry:
		case _, watching := <-lost:
			if !watching {
				lost = nil
				d.log.Warn("packet filter is no longer watched: rules that others remove are put back at the next start")
				continue
			}
			d.log.Info("somebody took rules out of the packet filter: those of blocks in force are put back")
		}
		done = d.reconcile(ctx, only)
		pause(ctx, rest)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// reconcile has the blocks in force that the keeper keeps, or only those with
// some ids. No undoing starts while it works, so nothing is put back that was
// just taken away. It says whether it could.
func (d *Daemon) reconcile(ctx context.Context, only map[uint64]bool) bool {
	d.keepMu.Lock()
	defer d.keepMu.Unlock()
	want := d.inForce(only)
	if len(want) == 0 || ctx.Err() != nil {
		return true
	}
	changed, err := d.keeper.Reconcile(ctx, want)
	if err != nil && ctx.Err() == nil {
		d.log.Error("blocks could not be put back", "err", err)
	}
	if changed && only == nil {
		d.log.Warn("blocks were missing and have been put back", "count", len(want))
	}
	return err == nil
}

// standing lists the blocks that were done and whose undoing has not begun.
func (d *Daemon) standing(only map[uint64]bool) []response.Block {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []response.Block
	for _, b := range d.chosen(only) {
		if !b.Ending && !d.store.NeedsStart(&b) {
			all = append(all, kept(&b, b.Until))
		}
	}
	return all
}

// chosen returns the blocks with these ids, or all. The caller holds mu.
func (d *Daemon) chosen(only map[uint64]bool) []blocks.Block {
	if only == nil {
		return d.store.List()
	}
	var some []blocks.Block
	for id := range only {
		if b := d.store.Get(id); b != nil {
			some = append(some, d.store.Shown(b))
		}
	}
	return some
}

func (d *Daemon) inForce(only map[uint64]bool) []response.Block {
	if only == nil {
		for len(d.renew) > 0 { // all are looked at now
			<-d.renew
		}
		d.renewAll.Store(false)
	}
	var want []response.Block
	for _, k := range d.standing(only) {
		if d.keeper.Keeps(k) {
			want = append(want, k)
		}
	}
	return want
}
