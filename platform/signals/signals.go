// SPDX-License-Identifier: Apache-2.0

// Package signals says which signals stop a daemon and which make it read its
// configuration again, as OSSEC's daemons have it: INT, QUIT, TERM and ALRM
// stop, PIPE does nothing. HUP, which they ignore, reloads.
package signals

import (
	"context"
	"os"
	"os/signal"
)

// Stop returns a context that ends with the first stopping signal. cancel gives
// the signals back to the system.
func Stop(parent context.Context) (ctx context.Context, cancel context.CancelFunc) {
	return signal.NotifyContext(parent, stopping()...)
}

// Orphaned returns a channel that gets a value when the parent has died, where
// the parent has asked the kernel for that signal.
func Orphaned() <-chan os.Signal {
	ch := make(chan os.Signal, 1)
	if s := orphaning(); len(s) > 0 {
		signal.Notify(ch, s...)
	}
	return ch
}

// Reload returns a channel that gets a value for every reloading signal; it
// holds one back while nobody reads. cancel gives the signals back.
func Reload() (c <-chan os.Signal, cancel func()) {
	ch := make(chan os.Signal, 1)
	if s := reloading(); len(s) > 0 {
		signal.Notify(ch, s...)
	}
	return ch, func() { signal.Stop(ch) }
}

// Swallow makes HUP and PIPE do nothing in this process. Unlike with ignored
// signals, programs that it starts do not inherit that.
func Swallow() {
	if s := idle(); len(s) > 0 {
		signal.Notify(make(chan os.Signal, 1), s...)
	}
}
