// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
)

// fake is a process in virtual time that behaves as it is told.
type fake struct {
	said   chan message
	sent   chan message
	killed chan struct{}
	kill   func()
	ended  chan struct{}
	end    error
}

func (f *fake) process() process { return fakeProcess{f} }

type fakeProcess struct{ f *fake }

func (p fakeProcess) pid() int                 { return 4711 }
func (p fakeProcess) messages() <-chan message { return p.f.said }
func (p fakeProcess) result() error            { return p.f.end }
func (p fakeProcess) kill()                    { p.f.kill() }

func (p fakeProcess) send(m message) error {
	select {
	case p.f.sent <- m:
		return nil
	case <-p.f.ended:
		return errors.New("broken pipe")
	}
}

// behaviour is what a fake process does; it returns how the process ends.
type behaviour func(f *fake) error

func newFake(b behaviour) *fake {
	f := &fake{said: make(chan message), sent: make(chan message), killed: make(chan struct{}), ended: make(chan struct{})}
	f.kill = sync.OnceFunc(func() { close(f.killed) })
	go func() {
		f.end = b(f)
		close(f.ended)
		close(f.said)
	}()
	return f
}

// obey takes what is sent until it is told to stop or is killed. answer may be
// nil: then it says nothing.
func obey(f *fake, answer func(message)) error {
	for {
		select {
		case m := <-f.sent:
			if m.Kind == kindStop && answer != nil {
				return nil
			}
			if answer != nil {
				answer(m)
			}
		case <-f.killed:
			return errors.New("signal: killed")
		}
	}
}

// serving is ready and answers every reload with reloaded.
func serving(reloaded message) behaviour {
	reloaded.Kind = kindReloaded
	return func(f *fake) error {
		f.said <- message{Kind: kindReady}
		return obey(f, func(m message) {
			switch m.Kind {
			case kindPing:
				f.said <- message{Kind: kindPong}
			case kindReload:
				f.said <- reloaded
			}
		})
	}
}

func fails(f *fake) error {
	f.said <- message{Kind: kindFailed, Error: "no such queue"}
	return errors.New("exit status 1")
}

func dies(*fake) error { return errors.New("exit status 1") }

func diesReady(f *fake) error {
	f.said <- message{Kind: kindReady}
	return errors.New("exit status 1")
}

func hangsReady(f *fake) error {
	f.said <- message{Kind: kindReady}
	return obey(f, nil)
}

func hangs(f *fake) error { return obey(f, nil) }

// rig runs a worker whose processes behave as listed; the last one repeats.
type rig struct {
	*worker
	mu sync.Mutex // guards begun
	begun
}

// begun is what has been started so far.
type begun struct {
	starts  []time.Duration // when, after the rig was made
	cfgs    []*config.Config
	current *fake
}

func (r *rig) seen() begun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// withRig calls test with a rig in virtual time, and stops the worker after it.
func withRig(t *testing.T, bs []behaviour, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, zero := &rig{}, time.Now()
		r.worker = newWorker("m", func(cfg *config.Config) (process, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			b := bs[min(len(r.starts), len(bs)-1)]
			r.starts = append(r.starts, time.Since(zero))
			r.cfgs = append(r.cfgs, cfg)
			r.current = newFake(b)
			return r.current.process(), nil
		}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.run(ctx)
		}()
		test(t, r)
		patience, enough := context.WithTimeout(context.Background(), stopTimeout)
		r.stop(patience)
		enough()
		if st := r.status(); st.State != StateOff {
			t.Errorf("after the stop: %+v", st)
		}
		cancel()
		<-done
	})
}

func (r *rig) mustStart(t *testing.T) *config.Config {
	t.Helper()
	cfg := &config.Config{}
	if err := r.firstStart(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The pauses double up to a minute; a process that has run for long is started
// again soon.
func TestBackOff(t *testing.T) {
	long := func(f *fake) error {
		f.said <- message{Kind: kindReady}
		time.Sleep(100 * time.Second)
		return errors.New("exit status 2")
	}
	bs := []behaviour{diesReady, dies, dies, dies, dies, dies, dies, dies, long, dies}
	withRig(t, bs, func(t *testing.T, r *rig) {
		r.mustStart(t)
		time.Sleep(300 * time.Second)
		synctest.Wait()
		var got []int
		for _, d := range r.seen().starts {
			got = append(got, int(d/time.Second))
		}
		if diff := cmp.Diff([]int{0, 1, 3, 7, 15, 31, 63, 123, 183, 284, 286, 290, 298}, got); diff != "" {
			t.Error(diff)
		}
		if st := r.status(); st.State != StateWaiting || st.Restarts != 13 || st.LastExit != "exit status 1" || st.PID != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestFirstStartFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    behaviour
		want string
	}{
		{"says why", fails, "no such queue"},
		{"dies", dies, "exit status 1"},
		{"is never ready", hangs, "not ready after 2m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withRig(t, []behaviour{tt.b}, func(t *testing.T, r *rig) {
				err := r.firstStart(t.Context(), &config.Config{})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				time.Sleep(time.Hour)
				if len(r.seen().starts) != 1 {
					t.Errorf("started %d times", len(r.seen().starts))
				}
			})
		})
	}
}

// Who no longer waits for the start ends the process.
func TestFirstStartGivenUp(t *testing.T) {
	withRig(t, []behaviour{hangs}, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.firstStart(ctx, &config.Config{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHangingModuleIsKilled(t *testing.T) {
	withRig(t, []behaviour{hangsReady, serving(message{})}, func(t *testing.T, r *rig) {
		r.mustStart(t)
		time.Sleep(time.Hour)
		st := r.status()
		if len(r.seen().starts) != 2 || st.State != StateRunning || !strings.Contains(st.LastExit, "no sign of life") {
			t.Errorf("%d starts, status %+v", len(r.seen().starts), st)
		}
	})
}

// A module that does not stop is killed when the caller's patience ends.
func TestStopKills(t *testing.T) {
	withRig(t, []behaviour{hangsReady}, func(t *testing.T, r *rig) {
		r.mustStart(t)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		r.stop(ctx)
		if took := time.Since(begun); took != 7*time.Second || r.status().State != StateOff {
			t.Errorf("after %v: %+v", took, r.status())
		}
	})
}

func TestReload(t *testing.T) {
	for _, tt := range []struct {
		name    string
		first   behaviour
		wantErr string
		starts  int
		taken   bool // the next process has the new configuration
	}{
		{"taken", serving(message{}), "", 1, true},
		{"refused", serving(message{Error: "no such folder"}), "no such folder", 1, false},
		{"by a new process", serving(message{Unsupported: true}), "", 2, true},
		{"while it waits", diesReady, "", 2, true},
		{"dies of it", func(f *fake) error {
			f.said <- message{Kind: kindReady}
			for m := range f.sent {
				if m.Kind == kindReload {
					return errors.New("exit status 2")
				}
			}
			return nil
		}, "ended while it read", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withRig(t, []behaviour{tt.first, serving(message{})}, func(t *testing.T, r *rig) {
				old, cfg := r.mustStart(t), &config.Config{}
				synctest.Wait()
				err := r.reload(t.Context(), cfg)
				if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %v, want %q", err, tt.wantErr)
				}
				synctest.Wait()
				if len(r.seen().starts) != tt.starts {
					t.Errorf("%d starts, want %d", len(r.seen().starts), tt.starts)
				}
				r.seen().current.kill()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := r.seen().cfgs[1]; (got == cfg) != tt.taken || (got == old) == tt.taken {
					t.Errorf("the next process has the new configuration: %v, want %v", got == cfg, tt.taken)
				}
			})
		})
	}
}
