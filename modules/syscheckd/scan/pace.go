// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"sync"
	"time"

	"hids/platform/fswalk"
)

// pacer is asked before each file and after each read. It keeps the worker
// waiting for as long as it likes, and calls t.Beat meanwhile.
type pacer interface {
	file(ctx context.Context, t *fswalk.Task)
	bytes(ctx context.Context, t *fswalk.Task, n int64)
}

// rates keeps all workers together below the configured rates.
type rates struct{ files, content *bucket }

func newRates(filesPS int, bytesPS int64) rates {
	return rates{newBucket(int64(filesPS)), newBucket(bytesPS)}
}

func (r rates) file(ctx context.Context, t *fswalk.Task) { r.files.take(ctx, t, 1) }

func (r rates) bytes(ctx context.Context, t *fswalk.Task, n int64) { r.content.take(ctx, t, n) }

// bucket gives out a number of units per second; a nil one gives out any number. What is taken may exceed what
// is there; the taker then waits until the debt is paid.
type bucket struct {
	perSecond int64

	mu   sync.Mutex // guards next
	next time.Time  // when all that was taken will have been earned
}

func newBucket(perSecond int64) *bucket {
	if perSecond <= 0 {
		return nil
	}
	return &bucket{perSecond: perSecond}
}

// longestWait keeps a waiting worker from looking like one that hangs.
const longestWait = time.Second

func (b *bucket) take(ctx context.Context, t *fswalk.Task, n int64) {
	if b == nil || n == 0 {
		return
	}
	for wait := b.reserve(n); wait > 0; wait -= longestWait {
		pause := time.NewTimer(min(wait, longestWait))
		select {
		case <-pause.C:
			t.Beat()
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// reserve takes n units and returns how long to wait for them. A pause earns
// a tenth of a second's units, no more.
func (b *bucket) reserve(n int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if oldest := now.Add(-time.Second / 10); b.next.Before(oldest) {
		b.next = oldest
	}
	b.next = b.next.Add(time.Duration(float64(n) / float64(b.perSecond) * float64(time.Second)))
	return b.next.Sub(now)
}
