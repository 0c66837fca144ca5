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
	}
}

// keep puts blocks back into the packet filter: those of an earlier process at
// the start, those whose end has changed, and all when somebody else took our
// rules away.
func (d *Daemon) keep(ctx context.Context) {
	done := d.reconcile(ctx)
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
	for {
		var retry <-chan time.Time
		if !done {
			retry = time.After(retryKeeping)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.renew:
		case <-retry:
		case _, watching := <-lost:
			if !watching {
				lost = nil
				d.log.Warn("packet filter is no longer watched: rules that others remove are put back at the next start")
				continue
			}
			d.log.Info("somebody took rules out of the packet filter: those of blocks in force are put back")
		}
		done = d.reconcile(ctx)
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

// reconcile has all blocks in force that the keeper keeps. No undoing starts
// while it works, so nothing is put back that was just taken away. It says
// whether it could.
func (d *Daemon) reconcile(ctx context.Context) bool {
	d.keepMu.Lock()
	defer d.keepMu.Unlock()
	want := d.inForce()
	if len(want) == 0 || ctx.Err() != nil {
		return true
	}
	changed, err := d.keeper.Reconcile(ctx, want)
	if err != nil && ctx.Err() == nil {
		d.log.Error("blocks could not be put back", "err", err)
	}
	if changed {
		d.log.Warn("blocks were missing and have been put back", "count", len(want))
	}
	return err == nil
}

// standing lists the blocks that were done and whose undoing has not begun.
func (d *Daemon) standing() []response.Block {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []response.Block
	for _, b := range d.store.List() {
		if !b.Ending && !d.store.NeedsStart(&b) {
			k := kept(&b, b.Until)
			if d.policy.ipv6Prefix < 128 {
				k.Prefix = d.policy.ipv6Prefix
			}
			all = append(all, k)
		}
	}
	return all
}

func (d *Daemon) inForce() []response.Block {
	for len(d.renew) > 0 { // all are looked at now
		<-d.renew
	}
	var want []response.Block
	for _, k := range d.standing() {
		if d.keeper.Keeps(k) {
			want = append(want, k)
		}
	}
	return want
}
