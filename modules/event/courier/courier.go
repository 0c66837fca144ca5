// SPDX-License-Identifier: Apache-2.0

// Package courier carries messages from a module to the OSSEC queue: into a
// spool first, then to the socket, in order, for as long as it takes. Nothing
// that happens to the reader reaches the module. What the messages say is made
// by the module that found it.
package courier

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"hids/modules/event/spool"
	"hids/platform/metrics"
)

// The pauses between two tries to reach the queue, and between two looks at the
// file with which agentd holds everybody back. OSSEC gives up after 33 s.
const (
	firstPause = time.Second
	lastPause  = 15 * time.Second
	holdPause  = time.Second
	// settlePause is how long after the last message it is first asked whether that
	// is read.
	settlePause = time.Second
)

// Sender is the writing end of a queue; platform/queue has it.
type Sender interface {
	Send(ctx context.Context, message []byte) error
	// Unsettled tells that the reader may not have read all that was sent. Settle
	// finds out, and sends again what a reader that is gone had not read.
	Unsettled() bool
	Settle(ctx context.Context) error
	Held() bool
	Close() error
}

// Courier is an outbox with a carrier.
type Courier struct {
	Spool *spool.Spool
	Queue Sender
	Log   *slog.Logger
	// Never tells of an error that no later try can mend; the message is then
	// logged and left out. Nil: there is none.
	Never func(error) bool
	// PerSecond bounds the messages sent in a second; 0: no bound.
	PerSecond int

	sent    atomic.Int64
	refused atomic.Int64
	up      atomic.Bool
	away    atomic.Bool // said so
	held    atomic.Bool
	full    atomic.Bool // said so
}

// Status is what an operator wants to know of a courier.
type Status struct {
	Connected bool        `json:"connected"`
	Held      bool        `json:"held"`     // agentd has no manager and asks to wait
	Sent      int64       `json:"sent"`     // messages since the start
	Rejected  int64       `json:"rejected"` // messages the queue can never take
	Spool     spool.Stats `json:"spool"`
}

// Put takes messages over, all or none; it never waits for the reader. With
// spool.ErrFull they are dropped, counted, and must be found again later.
func (c *Courier) Put(messages ...[]byte) error {
	err := c.Spool.Append(messages...)
	if errors.Is(err, spool.ErrFull) && !c.full.Swap(true) {
		c.Log.Error("no room in the spool: what it can't take waits for a later scan", "err", err,
			"hint", "see why the queue is not read, or raise spool_size")
	}
	return err
}

// Sync returns once the messages put would survive a crash of the machine.
func (c *Courier) Sync() error { return c.Spool.Sync() }

// Status describes the courier now.
func (c *Courier) Status() Status {
	return Status{c.up.Load(), c.held.Load(), c.sent.Load(), c.refused.Load(), c.Spool.Stats()}
}

// Measure puts a status into numbers, under the name of the module whose
// courier it is.
func (st *Status) Measure(s *metrics.Set, module string) {
	s.Bool("hids_queue_connected", "Whether the OSSEC queue takes messages.", st.Connected, "module", module)
	s.Counter("hids_queue_sent_total", "Messages that the OSSEC queue took.", st.Sent, "module", module)
	s.Counter("hids_queue_rejected_total", "Messages that the OSSEC queue can never take.", st.Rejected, "module", module)
	s.Gauge("hids_spool_messages", "Messages that wait for the OSSEC queue.", float64(st.Spool.Messages), "module", module)
	s.Gauge("hids_spool_bytes", "Size of the spool on disk.", float64(st.Spool.Bytes), "module", module)
	s.Counter("hids_spool_dropped_total", "Messages for which the spool had no room.", st.Spool.Dropped, "module", module)
	s.Counter("hids_spool_corrupt_total", "Files of the spool that were cut short.", st.Spool.Corrupt, "module", module)
}

// Run carries until ctx ends. What is not carried by then waits in the spool.
func (c *Courier) Run(ctx context.Context) error {
	defer c.Queue.Close()
	var dropped int64
	for {
		message, err := c.next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if !c.carry(ctx, message) {
			return nil
		}
		if err := c.Spool.Ack(); err != nil {
			return err
		}
		dropped = c.tellDropped(dropped)
		if !c.pace(ctx) {
			return nil
		}
	}
}

// next waits for the next message. Meanwhile it sees that what was sent is read:
// who died with it unread is not found out by sending, for there may be nothing
// more to send for hours.
func (c *Courier) next(ctx context.Context) ([]byte, error) {
	for pause := settlePause; c.Queue.Unsettled(); pause = min(2*pause, lastPause) {
		soon, cancel := context.WithTimeout(ctx, pause)
		message, err := c.Spool.Next(soon)
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return message, err
		}
		if c.Queue.Held() { // what comes again is held back as well
			continue
		}
		if err := c.Queue.Settle(ctx); ctx.Err() == nil {
			c.setUp(err == nil, err)
		}
	}
	return c.Spool.Next(ctx)
}

// tellDropped says how many messages found no room since it last said so, once
// there is plenty again.
func (c *Courier) tellDropped(before int64) int64 {
	s := c.Spool.Stats()
	if s.Dropped == before || s.Bytes > s.Limit/2 {
		return before
	}
	c.full.Store(false)
	c.Log.Warn("there is room in the spool again: messages were left out and wait for a later scan", "count", s.Dropped-before)
	return s.Dropped
}

// carry sends one message, trying again until it is taken. It returns false
// when ctx ended first.
func (c *Courier) carry(ctx context.Context, message []byte) bool {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if !c.awaitRelease(ctx) {
			return false
		}
		err := c.Queue.Send(ctx, message)
		if err == nil {
			c.sent.Add(1)
			c.setUp(true, nil)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if c.Never != nil && c.Never(err) {
			c.refused.Add(1)
			c.Log.Error("message can't be sent", "err", err)
			return true
		}
		c.setUp(false, err)
		if !wait(ctx, pause) {
			return false
		}
	}
}

// setUp logs when the connection comes or goes, not at every try.
func (c *Courier) setUp(up bool, err error) {
	was := c.up.Swap(up)
	switch {
	case up && !was:
		c.away.Store(false)
		c.Log.Info("connected to the queue")
	case !up && !c.away.Swap(true):
		c.Log.Warn("the queue is away; events wait in the spool", "err", err)
	}
}

// awaitRelease waits while the reader holds everybody back.
func (c *Courier) awaitRelease(ctx context.Context) bool {
	if !c.Queue.Held() {
		return true
	}
	c.held.Store(true)
	c.Log.Warn("Process locked. Waiting for permission...")
	for c.Queue.Held() {
		if !wait(ctx, holdPause) {
			return false
		}
	}
	c.held.Store(false)
	c.Log.Info("Lock free. Continuing...")
	return true
}

func (c *Courier) pace(ctx context.Context) bool {
	if c.PerSecond <= 0 {
		return true
	}
	return wait(ctx, time.Second/time.Duration(c.PerSecond))
}

// wait returns false when ctx ended before the time was over.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
