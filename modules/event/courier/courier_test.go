// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hids/modules/event/spool"
)

var errAway = errors.New("nobody there")

// reader plays the queue: away, holding back, or taking what comes.
type reader struct {
	mu   sync.Mutex
	away bool
	held bool
	got  []string
	when []time.Time

	unread  bool // what was sent last
	settled int  // how often that was asked for
}

func (r *reader) Send(_ context.Context, message []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return errAway
	}
	r.got = append(r.got, string(message))
	r.when = append(r.when, time.Now())
	return nil
}

func (r *reader) Unsettled() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.unread }

func (r *reader) Settle(ctx context.Context) error {
	r.set(func(r *reader) { r.settled++ })
	if err := r.Send(ctx, []byte("again")); err != nil {
		return err
	}
	r.set(func(r *reader) { r.unread = false })
	return nil
}

func (r *reader) Held() bool   { r.mu.Lock(); defer r.mu.Unlock(); return r.held }
func (r *reader) Close() error { return nil }

func (r *reader) set(change func(*reader)) { r.mu.Lock(); defer r.mu.Unlock(); change(r) }

func (r *reader) messages() []string { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.got) }

// start runs a courier in the test's bubble of virtual time.
func start(t *testing.T, r *reader, change func(*Courier)) *Courier {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c := &Courier{Spool: s, Queue: r, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.Close()
	})
	return c
}

func put(t *testing.T, c *Courier, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := c.Put([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{away: true}
		var log lockedBuffer
		c := start(t, r, func(c *Courier) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		put(t, c, "one", "two")
		time.Sleep(time.Hour)
		if got := strings.Count(log.String(), "the queue is away"); got != 1 {
			t.Errorf("said %d times that the queue is away", got)
		}
		if c.Status().Connected || c.Status().Spool.Messages != 2 {
			t.Fatalf("status %+v while the reader is away", c.Status())
		}
		r.set(func(r *reader) { r.away = false })
		time.Sleep(lastPause)
		synctest.Wait()
		if got, want := r.messages(), []string{"one", "two"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := c.Status(); !got.Connected || got.Sent != 2 || got.Spool.Messages != 0 {
			t.Errorf("status %+v at the end", got)
		}
	})
}

func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{held: true}
		c := start(t, r, nil)
		put(t, c, "one")
		time.Sleep(time.Minute)
		if got := r.messages(); len(got) != 0 || !c.Status().Held {
			t.Fatalf("sent %q while held back, status %+v", got, c.Status())
		}
		r.set(func(r *reader) { r.held = false })
		time.Sleep(holdPause)
		synctest.Wait()
		if got := r.messages(); !slices.Equal(got, []string{"one"}) {
			t.Errorf("got %q after the release", got)
		}
	})
}

func TestHopelessMessageIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{away: true}
		c := start(t, r, func(c *Courier) { c.Never = func(err error) bool { return errors.Is(err, errAway) } })
		put(t, c, "one", "two")
		synctest.Wait()
		if got := c.Status(); got.Rejected != 2 || got.Spool.Messages != 0 {
			t.Errorf("status %+v, want two messages left out", got)
		}
	})
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		c := start(t, r, func(c *Courier) { c.PerSecond = 10 })
		put(t, c, slices.Repeat([]string{"m"}, 21)...)
		time.Sleep(time.Minute)
		r.mu.Lock()
		when := slices.Clone(r.when)
		r.mu.Unlock()
		if len(when) != 21 {
			t.Fatalf("%d messages arrived", len(when))
		}
		if took := when[20].Sub(when[0]); took != 2*time.Second {
			t.Errorf("20 messages at 10 a second took %v", took)
		}
	})
}

// TestFull says once that there is no room, and how much was left out when
// there is plenty again.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{away: true}
		var log lockedBuffer
		s, err := spool.Open(spool.Options{Dir: t.TempDir(), MaxBytes: 100})
		if err != nil {
			t.Fatal(err)
		}
		c := start(t, r, func(c *Courier) {
			c.Spool.Close()
			c.Spool, c.Log = s, slog.New(slog.NewTextHandler(&log, nil))
		})
		for range 10 { // of 12 bytes each with its frame: eight have room
			if err := c.Put([]byte("four")); err != nil && !errors.Is(err, spool.ErrFull) {
				t.Fatal(err)
			}
		}
		if got := c.Status().Spool.Dropped; got != 2 {
			t.Errorf("%d dropped, want 2", got)
		}
		if got := strings.Count(log.String(), "no room in the spool"); got != 1 {
			t.Errorf("said %d times that there is no room", got)
		}
		r.set(func(r *reader) { r.away = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := strings.Count(log.String(), `left out and wait for a later scan" count=2`); got != 1 {
			t.Errorf("said %d times how many were left out:\n%s", got, &log)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// A reader that dies with something unread is found out although there is
// nothing more to send, and the next one gets it. Who has read everything is left
// alone.
func TestReaderDiesUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{unread: true}
		c := start(t, r, nil)
		put(t, c, "one")
		synctest.Wait()
		r.set(func(r *reader) { r.away = true })
		time.Sleep(time.Minute)
		if c.Status().Connected {
			t.Error("connected to nobody")
		}
		r.set(func(r *reader) { r.away = false })
		time.Sleep(lastPause)
		synctest.Wait()
		if got, want := r.messages(), []string{"one", "again"}; !slices.Equal(got, want) || !c.Status().Connected {
			t.Errorf("got %q, want %q; status %+v", got, want, c.Status())
		}
		asked := r.settled
		r.set(func(r *reader) { r.unread = true })
		put(t, c, "two")
		synctest.Wait()
		r.set(func(r *reader) { r.held = true })
		time.Sleep(time.Hour)
		if r.settled != asked {
			t.Error("sent again while held back")
		}
		r.set(func(r *reader) { r.held = false })
		time.Sleep(lastPause + holdPause)
		synctest.Wait()
		if got, want := r.messages(), []string{"one", "again", "two", "again"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		asked = r.settled
		time.Sleep(time.Hour)
		if r.settled != asked {
			t.Errorf("asked %d times for nothing", r.settled-asked)
		}
	})
}
