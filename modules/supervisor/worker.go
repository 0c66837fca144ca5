// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hids/config"
)

// How long things may take. They are generous: a busy machine is no fault.
const (
	readyTimeout  = 2 * time.Minute  // from start to ready
	reloadTimeout = 2 * time.Minute  // for a module to take a configuration
	stopTimeout   = 40 * time.Second // all modules together; OSSEC's control script waits 45
	pingEvery     = 10 * time.Second
	pingTimeout   = 2 * time.Minute // a module silent for so long is killed
	minPause      = time.Second
	maxPause      = time.Minute
)

// process is one process of a module, as the worker sees it.
type process interface {
	pid() int
	// messages has what the process says. It is closed once the process has
	// ended; then result says how: nil is exit code 0.
	messages() <-chan message
	result() error
	send(message) error
	kill()
}

// starter starts a process of the module with a configuration.
type starter func(*config.Config) (process, error)

// worker keeps one module running. It starts idle.
type worker struct {
	name  string
	start starter
	log   *slog.Logger
	jobs  chan job

	mu sync.Mutex // guards st
	st ModuleStatus
}

// job is what the worker is told to do; its answer is sent to done once.
type job struct {
	kind jobKind
	ctx  context.Context // of a stop: when patience ends
	cfg  *config.Config
	done chan error
}

type jobKind int

const (
	jobStart  jobKind = iota // answered when ready, or failed: then idle again
	jobReload                // answered when the module took or refused it
	jobStop
)

func newWorker(name string, s starter, log *slog.Logger) *worker {
	return &worker{name: name, start: s, log: log, jobs: make(chan job), st: ModuleStatus{Name: name, State: StateOff}}
}

func (w *worker) ask(ctx context.Context, j job) error {
	j.done = make(chan error, 1)
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-j.done
}

// firstStart starts the module and waits until it is ready. If it fails the
// worker is idle again; if ctx ends first the process is stopped.
func (w *worker) firstStart(ctx context.Context, cfg *config.Config) error {
	return w.ask(ctx, job{kind: jobStart, ctx: ctx, cfg: cfg})
}

// reload hands a configuration on. An idle worker starts with it.
func (w *worker) reload(ctx context.Context, cfg *config.Config) error {
	return w.ask(ctx, job{kind: jobReload, ctx: ctx, cfg: cfg})
}

// stop ends the module and makes the worker idle. When ctx ends before the
// module has, it is killed.
func (w *worker) stop(ctx context.Context) {
	// The worker always takes a job, so this does not depend on ctx.
	_ = w.ask(context.WithoutCancel(ctx), job{kind: jobStop, ctx: ctx})
}

// run serves jobs until ctx ends. The caller stops the worker before.
func (w *worker) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-w.jobs:
			switch j.kind {
			case jobStart:
				w.supervise(&life{w: w, cfg: j.cfg, starting: &j})
			case jobReload:
				j.done <- nil
				w.supervise(&life{w: w, cfg: j.cfg})
			case jobStop:
				j.done <- nil
			}
		}
	}
}

// supervise starts the module again and again until it is told to stop.
func (w *worker) supervise(l *life) {
	defer w.set(func(s *ModuleStatus) { s.State, s.PID = StateOff, 0 })
	pause := minPause
	for {
		begun := time.Now()
		err := l.once()
		switch {
		case l.stopped:
			return
		case l.again: // asked for: with a new configuration
			l.again = false
			continue
		}
		if time.Since(begun) > maxPause {
			pause = minPause
		}
		w.log.Error("module ended; it is started again", "module", w.name, "err", err, "pause", pause)
		w.set(func(s *ModuleStatus) {
			s.State, s.PID, s.LastExit = StateWaiting, 0, err.Error()
			s.Restarts++
		})
		if !l.wait(pause) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

func (w *worker) set(change func(*ModuleStatus)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.st)
}

func (w *worker) status() ModuleStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.st
}

// life is one run of supervise.
type life struct {
	w        *worker
	cfg      *config.Config
	starting *job // waits for the first ready; nil: nobody does
	stopped  bool // told to stop, and so done
	again    bool // told to start again at once

	proc      process
	ready     bool
	heard     time.Time      // when the process said something last
	reloading *job           // waits for the module's answer
	next      *config.Config // what it was asked to take
	fault     error          // why it was killed
}

// wait lets the pause pass. It reports false when told to stop. A new
// configuration ends the pause: it may be the cure.
func (l *life) wait(pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case j := <-l.w.jobs:
		defer func() { j.done <- nil }()
		if j.kind == jobStop {
			return false
		}
		l.cfg = j.cfg
		return true
	}
}

// once is the life of one process. It returns how that ended, never nil.
func (l *life) once() error {
	l.ready, l.fault, l.heard = false, nil, time.Now()
	p, err := l.w.start(l.cfg)
	if err != nil {
		return l.failed(err)
	}
	l.proc = p
	l.w.set(func(s *ModuleStatus) { s.State, s.PID, s.Since = StateStarting, p.pid(), time.Now() })
	err = l.watch()
	if err == nil {
		err = errors.New("ended by itself")
	}
	if l.reloading != nil {
		l.answerReload(fmt.Errorf("ended while it read the new configuration: %w", err))
	}
	return l.failed(err)
}

// failed tells who waits for the first start.
func (l *life) failed(err error) error {
	if l.starting != nil {
		l.starting.done <- err
		l.starting, l.stopped = nil, true
	}
	return err
}

// watch serves one process until it has ended.
func (l *life) watch() error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case m, ok := <-l.proc.messages():
			if !ok {
				return cmp.Or(l.fault, l.proc.result())
			}
			l.heard = time.Now()
			l.take(m)
		case <-tick.C:
			l.check()
		case <-l.startGivenUp():
			l.endInTime()
			return l.failed(l.starting.ctx.Err())
		case j := <-l.w.jobs:
			if l.do(j) {
				return errors.New("stopped")
			}
		}
	}
}

// startGivenUp is ready when who waits for the first start no longer does.
func (l *life) startGivenUp() <-chan struct{} {
	if l.starting == nil {
		return nil
	}
	return l.starting.ctx.Done()
}

func (l *life) take(m message) {
	switch m.Kind {
	case kindReady:
		l.becameReady()
	case kindFailed:
		l.fault = errors.New(m.Error)
	case kindReloaded:
		l.reloaded(m)
	}
}

func (l *life) becameReady() {
	l.ready = true
	l.w.set(func(s *ModuleStatus) { s.State = StateRunning })
	l.w.log.Debug("module is ready", "module", l.w.name, "pid", l.proc.pid())
	if l.starting != nil {
		l.starting.done <- nil
		l.starting = nil
	}
}

// check kills a process that hangs and asks the others for a sign of life.
func (l *life) check() {
	silent := time.Since(l.heard)
	switch {
	case !l.ready && silent > readyTimeout:
		l.giveUp(fmt.Errorf("not ready after %v", readyTimeout))
	case silent > pingTimeout:
		l.giveUp(fmt.Errorf("no sign of life for %v", pingTimeout))
	case l.ready:
		if err := l.proc.send(message{Kind: kindPing}); err != nil {
			l.w.log.Debug("module does not listen", "module", l.w.name, "err", err)
		}
	}
}

func (l *life) giveUp(why error) {
	if l.fault == nil {
		l.fault = why
		l.proc.kill()
	}
}

// do carries out a job while the process runs. It reports true when the
// process was stopped.
func (l *life) do(j job) (stopped bool) {
	switch j.kind {
	case jobStop:
		l.end(j.ctx)
		l.stopped = true
		_ = l.failed(errors.New("stopped before it was ready"))
		j.done <- nil
		return true
	case jobReload:
		return l.beginReload(j)
	}
	j.done <- fmt.Errorf("%s runs already", l.w.name)
	return false
}

// beginReload asks the module to take j.cfg. One that is not ready, or is busy
// with another, starts anew.
func (l *life) beginReload(j job) (stopped bool) {
	if l.ready && l.reloading == nil && l.proc.send(message{Kind: kindReload, Config: j.cfg}) == nil {
		l.reloading, l.next = &j, j.cfg
		return false
	}
	l.restart(j)
	return true
}

// restart ends the process, so that supervise starts another with j.cfg.
func (l *life) restart(j job) {
	l.cfg, l.again = j.cfg, true
	l.w.log.Info("module is started again with the new configuration", "module", l.w.name)
	l.endInTime()
	j.done <- nil
}

// endInTime is end where nobody says how long it may take.
func (l *life) endInTime() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	l.end(ctx)
}

func (l *life) reloaded(m message) {
	if l.reloading == nil {
		return
	}
	switch {
	case m.Unsupported:
		j := *l.reloading
		l.reloading, l.next = nil, nil
		l.restart(j) // watch sees the end of it
	case m.Error != "":
		l.answerReload(errors.New(m.Error))
	default:
		l.cfg = l.next
		l.answerReload(nil)
	}
}

func (l *life) answerReload(err error) {
	l.reloading.done <- err
	l.reloading, l.next = nil, nil
}

// end stops the process and waits for its end; when ctx ends first it is killed.
func (l *life) end(ctx context.Context) {
	l.w.set(func(s *ModuleStatus) { s.State = StateStopping })
	if err := l.proc.send(message{Kind: kindStop}); err != nil {
		l.w.log.Debug("module does not listen", "module", l.w.name, "err", err)
	}
	patience := ctx.Done()
	for {
		select {
		case _, ok := <-l.proc.messages():
			if !ok {
				return
			}
		case <-patience:
			l.w.log.Warn("module does not stop; it is killed", "module", l.w.name, "pid", l.proc.pid())
			l.proc.kill()
			patience = nil
		}
	}
}
