// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"time"

	"hids/platform/bootclock"
	"hids/platform/paths"
)

// hostClock is the clock of this machine. Where the kernel has no clock that
// nobody can set, the one of this process stands in, and a deadline of an
// earlier process goes by the wall clock.
type hostClock struct {
	id      string
	started time.Time
}

func newClock(h paths.Host) hostClock {
	c := hostClock{started: time.Now()}
	if id, err := bootclock.ID(h); err == nil {
		if _, err := bootclock.Now(); err == nil {
			c.id = id
		}
	}
	return c
}

func (c hostClock) Now() time.Time { return time.Now() }

func (c hostClock) BootID() string { return c.id }

func (c hostClock) Boot() time.Duration {
	if c.id != "" {
		if now, err := bootclock.Now(); err == nil {
			return now
		}
	}
	return time.Since(c.started)
}
