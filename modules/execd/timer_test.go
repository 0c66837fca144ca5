// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/execd/request"
	"hids/modules/execd/response"
	"hids/platform/logging"
	"hids/platform/paths"
)

// bubbleClock is synctest's clock, from an ordinary boot.
type bubbleClock struct{ started time.Time }

func (c bubbleClock) Now() time.Time      { return time.Now() }
func (c bubbleClock) Boot() time.Duration { return time.Since(c.started) }
func (c bubbleClock) BootID() string      { return "bubble" }

// inBubble runs a daemon without its socket in virtual time.
func inBubble(t *testing.T, do func(t *testing.T, d *Daemon, fake *fakePrograms)) {
	layout := paths.Layout{Home: t.TempDir()}
	if err := os.MkdirAll(layout.ResponseBin(), 0o700); err != nil {
		t.Fatal(err)
	}
	installProgram(t, filepath.Join(layout.ResponseBin(), "other"))
	synctest.Test(t, func(t *testing.T) {
		fake := &fakePrograms{}
		none := func() ([]netip.Addr, error) { return nil, nil }
		d := assemble(modules.Env{
			Config: &config.Config{}, Layout: layout, Events: &events{},
			Log: slog.New(logging.NewHandler(&lines{}, logging.Options{Name: "ossec-execd"})),
		}, parts{
			clock: bubbleClock{time.Now()}, host: "h", start: fake.start, open: openJournal, queue: openQueue,
			newKeeper: func(config.ActiveResponse) keeper { return &fakeKeeper{} },
			sources:   sources{own: none, gateways: none, resolvers: none, admins: none, now: time.Now},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		told := make(chan struct{})
		go func() { d.expire(ctx); close(done) }()
		go func() { d.tell.run(); close(told) }()
		do(t, d, fake)
		cancel()
		<-done
		d.tell.close()
		<-told
	})
}

func (d *Daemon) ask(t *testing.T, program, ip string, timeout time.Duration) {
	t.Helper()
	prog, err := d.programs().find(program)
	if err != nil {
		t.Fatal(err)
	}
	o := order{
		req:   request.Request{Name: "a", Args: []string{"-", ip}},
		entry: entry{name: "a", timeout: timeout, prog: prog},
	}
	for _, j := range d.accept([]order{o}) {
		d.run(j)
	}
	d.rearm()
	synctest.Wait()
}

func TestExpiryIsExact(t *testing.T) {
	inBubble(t, func(t *testing.T, d *Daemon, fake *fakePrograms) {
		at := func(after time.Duration, undone int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := fake.count("delete"); got != undone {
				t.Fatalf("%d undone, want %d", got, undone)
			}
		}
		d.ask(t, "other", "203.0.113.1", 600*time.Second)
		d.ask(t, "other", "203.0.113.2", 3*time.Second)
		at(3*time.Second-1, 0)
		at(1, 1)
		at(597*time.Second-1, 1)
		d.ask(t, "other", "203.0.113.1", 600*time.Second) // in the last moment
		at(1, 1)
		at(600*time.Second-2, 1)
		at(1, 2)
		at(time.Hour, 2)
	})
}

func TestUndoingIsRepeatedUntilItWorks(t *testing.T) {
	inBubble(t, func(t *testing.T, d *Daemon, fake *fakePrograms) {
		d.ask(t, "route-null.sh", "203.0.113.1", time.Minute)
		fake.exit.Store(1)
		// At 60 s, and then after 2, 4, 8, … s, and every hour at last.
		tries := 0
		for at := 60 * time.Second; at < 26*time.Hour; at += backOff(tries - 1) {
			tries++
		}
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		if got := fake.count("delete"); got != tries {
			t.Errorf("%d tries in 26 hours, want %d", got, tries)
		}
		fake.exit.Store(0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := d.snapshot(); s.Undone != 1 || s.Blocks != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Rules that could not be put back are tried again without anybody asking.
func TestKeeperIsAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, d *Daemon, _ *fakePrograms) {
		k := &fakeKeeper{keeps: func(response.Block) bool { return true }, fail: errors.New("no packet filter yet")}
		d.keeper = k
		d.ask(t, "firewall-drop.sh", "203.0.113.1", time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.keep(ctx); close(done) }()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		cancel()
		<-done
		if len(k.calls) != 2 {
			t.Errorf("asked %d times", len(k.calls))
		}
	})
}

func TestBackOff(t *testing.T) {
	got := []time.Duration{backOff(0), backOff(1), backOff(10), backOff(1000)}
	want := []time.Duration{2 * time.Second, 4 * time.Second, 2048 * time.Second, time.Hour}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
