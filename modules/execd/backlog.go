// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"hids/modules/event/spool"
	"hids/modules/execd/blocks"
	"hids/modules/execd/request"
	"hids/platform/execq"
)

// maxBacklog bounds what waits on disk, in bytes: some 400,000 requests of
// OSSEC's, or 1,000 of Wazuh's longest.
const maxBacklog = 64 << 20

// backlog is requests that came while so many programs waited that there was no
// hurry to decide on more. They wait on disk, in their order: a flood takes no
// more memory than a shower, and what was taken from a sender outlives kill -9.
// It is not flushed, as it does not outlive the machine: the alerts of another
// boot are answered no more.
//
// The receiver puts requests in and one goroutine takes them out. As long as one
// is in it, also the one that is just being decided, all that come go behind it.
type backlog struct {
	queue requestQueue
	log   *slog.Logger
	boot  string      // which start of the machine this is; where nobody knows, of this process
	off   atomic.Bool // it can't be used: requests are decided at once
	// stale says that those at the front may be of another boot. They are refused,
	// so nobody need wait behind them, but only behind the fresh ones, which this
	// process has put in.
	stale atomic.Bool
	fresh atomic.Int64
}

// requestQueue is what a backlog needs of a spool.Spool.
type requestQueue interface {
	Append(messages ...[]byte) error
	Next(ctx context.Context) ([]byte, error)
	Ack() error
	Stats() spool.Stats
	Close() error
}

func openQueue(dir string) (requestQueue, error) {
	return spool.Open(spool.Options{Dir: dir, MaxBytes: maxBacklog, Volatile: true})
}

func newBacklog(queue requestQueue, err error, c blocks.Clock, log *slog.Logger) *backlog {
	b := &backlog{boot: cmp.Or(c.BootID(), rand.Text()), log: log}
	if err != nil {
		b.fail("the folder of requests that wait can't be used", err)
		return b
	}
	b.queue = queue
	if b.left() > 0 {
		_, boot, _ := b.first()
		b.stale.Store(boot != b.boot)
	}
	return b
}

// first is the oldest request, if there is one. It stays in the backlog.
func (b *backlog) first() (m message, boot string, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a queue does not wait for what is there
	return b.next(ctx)
}

// fail gives the backlog up. Requests are then decided as they come, and wait in
// memory, until there are too many.
func (b *backlog) fail(what string, err error) {
	if !b.off.Swap(true) {
		b.log.Error(what+": from here on requests wait in memory", "err", err)
	}
}

// recovered takes that back.
func (b *backlog) recovered() {
	if b.off.Swap(false) {
		b.log.Info("requests that wait can be read again")
	}
}

// left is how many requests are in it, the one that is being decided included.
func (b *backlog) left() int {
	if b.queue == nil {
		return 0
	}
	return int(b.queue.Stats().Messages)
}

// len is how many requests a new one has to wait behind.
func (b *backlog) len() int {
	switch {
	case b.off.Load():
		return 0
	case b.stale.Load():
		return int(b.fresh.Load())
	}
	return b.left()
}

// outdated says whether the request that is next came in another boot. Only who
// takes requests out may ask.
func (b *backlog) outdated(boot string) bool {
	if boot == b.boot {
		b.stale.Store(false) // nor does one that follows
	}
	return boot != b.boot
}

// put takes a batch in, or says that there is no room.
func (b *backlog) put(batch []message) bool {
	if b.off.Load() {
		return false
	}
	records := make([][]byte, len(batch))
	for i, m := range batch {
		records[i] = encodeMessage(m, b.boot)
	}
	if b.queue.Append(records...) != nil {
		return false
	}
	b.fresh.Add(int64(len(batch)))
	return true
}

// next waits for the oldest request. It is in the backlog until done.
func (b *backlog) next(ctx context.Context) (m message, boot string, err error) {
	record, err := b.queue.Next(ctx)
	if err != nil {
		return message{}, "", err
	}
	return parseMessage(record)
}

func (b *backlog) done() {
	if err := b.queue.Ack(); err != nil {
		b.log.Warn("a request that was decided may come again after a crash", "err", err)
	}
}

func (b *backlog) close() {
	if b.queue != nil {
		_ = b.queue.Close()
	}
}

// A record on disk is a boot's id behind its length, whether the sender is known
// (1) or not (0), the sender's pid, uid and gid, 32 bits each, little endian, and
// the datagram.
func encodeMessage(m message, boot string) []byte {
	r := append([]byte{byte(len(boot))}, boot...)
	known := byte(0)
	if m.from.Known {
		known = 1
	}
	r = append(r, known)
	for _, n := range []uint32{uint32(m.from.PID), m.from.UID, m.from.GID} {
		r = binary.LittleEndian.AppendUint32(r, n)
	}
	return append(r, m.data[:min(len(m.data), request.MaxJSON)]...)
}

var errRecord = errors.New("not a record of a request")

func parseMessage(r []byte) (m message, boot string, err error) {
	const sender = 1 + 3*4
	if len(r) == 0 || len(r) < 1+int(r[0])+sender {
		return message{}, "", fmt.Errorf("%w: %d bytes", errRecord, len(r))
	}
	boot, r = string(r[1:1+int(r[0])]), r[1+int(r[0]):]
	number := func(i int) uint32 { return binary.LittleEndian.Uint32(r[1+4*i:]) }
	m.from = execq.Sender{Known: r[0] == 1, PID: int(number(0)), UID: number(1), GID: number(2)}
	m.data = r[sender:]
	return m, boot, nil
}

// take decides on a batch now, or has it wait while so many programs wait that
// it would only be held in memory.
func (d *Daemon) take(batch []message) {
	if d.backlog.len() == 0 && !d.lanes.crowded() || !d.backlog.put(batch) {
		d.handle(batch)
	}
	d.stats.received.Add(int64(len(batch)))
}

// catchUp decides on what waits in the backlog, as places for programs come free,
// until ctx ends. One at a time: they have waited, and a block's write is cheap.
func (d *Daemon) catchUp(ctx context.Context) {
	for d.backlog.queue != nil {
		m, boot, err := d.backlog.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errRecord) {
			d.backlog.fail(fmt.Sprintf("%d requests that wait can't be read", d.backlog.left()), err)
			pause(ctx, d.retryReading)
			continue
		}
		d.backlog.recovered()
		switch outdated := d.backlog.outdated(boot); {
		case err != nil:
			d.log.Error("a request that waited can't be read", "err", err)
		case outdated:
			d.turnAwayStale(m)
		case !d.lanes.awaitRoom(ctx):
			return
		default:
			d.handle([]message{m})
		}
		d.backlog.done()
	}
}

// turnAway refuses a request whatever it asks for.
func (d *Daemon) turnAway(m message, why string) {
	d.stats.refused.Add(1)
	req, _ := request.Parse(m.data)
	d.refused(subject{name: req.Name, words: req.Args, by: sentBy(m.from)}, why)
}

// turnAwayStale refuses a request of another boot. There may be so many that what
// happens now must have its room among the events.
func (d *Daemon) turnAwayStale(m message) {
	if d.tell.crowded() {
		d.stats.refused.Add(1)
		d.tell.untold.Add(1)
		return
	}
	d.turnAway(m, "it came before the machine was started anew")
}

// retryReading is the pause before a backlog that can't be read is tried again.
const retryReading = 30 * time.Second

// turnAwayLimit is how long the end may take to refuse what waits.
const turnAwayLimit = 5 * time.Second

// turnAwayAll refuses what waited when execd stopped: jobs, and, unless blocks are
// kept, what is in the backlog.
func (d *Daemon) turnAwayAll(ctx context.Context, dismissed []*job, keep bool) {
	ctx, cancel := context.WithTimeout(ctx, turnAwayLimit)
	defer cancel()
	for _, j := range dismissed {
		d.tell.awaitRoom(ctx)
		d.dropped(j)
	}
	if !keep {
		d.emptyBacklog(ctx)
	}
}

func (d *Daemon) emptyBacklog(ctx context.Context) {
	for d.backlog.left() > 0 {
		d.tell.awaitRoom(ctx)
		m, _, err := d.backlog.next(ctx)
		switch {
		case err == nil:
			d.turnAway(m, "execd stopped before its turn came")
		case !errors.Is(err, errRecord):
			d.log.Warn("requests wait for the next start", "count", d.backlog.left(), "err", err)
			return
		}
		d.backlog.done()
		if ctx.Err() != nil {
			d.log.Warn("not all requests could be refused in time: the rest waits for the next start", "count", d.backlog.left())
			return
		}
	}
}
