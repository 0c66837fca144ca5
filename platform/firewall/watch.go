// SPDX-License-Identifier: Apache-2.0

package firewall

import "context"

// Watcher tells that somebody else took hids's rules away, or may have: a
// firewalld that is reloaded keeps no rule of the moment.
type Watcher struct {
	lost chan struct{}
	stop func()
}

// Watch starts to watch the packet filter; it is watched once Watch returns.
// Only nftables can be watched: elsewhere the error is errors.ErrUnsupported.
// Close the Watcher when ctx ends or before.
func Watch(ctx context.Context) (*Watcher, error) { return watch(ctx) }

// Lost gets a value when rules, or blocks in bulk, are gone; several such
// changes may come as one. It is closed when watching ends, by Close or because
// the kernel's messages can't be read any more.
func (w *Watcher) Lost() <-chan struct{} { return w.lost }

// Close ends the watching and returns once it has ended.
func (w *Watcher) Close() { w.stop() }

// signal says it, unless it has been said and not heard yet.
func (w *Watcher) signal() {
	select {
	case w.lost <- struct{}{}:
	default:
	}
}
