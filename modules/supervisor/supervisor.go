// SPDX-License-Identifier: Apache-2.0

// Package supervisor runs modules, each in a process of its own: it starts them
// with their privileges, waits until they are ready, starts them again when they
// end, hands new configurations on and stops them in order. It keeps open what
// must outlive a module: execq, the control sockets, the event log. It has the
// other side too, the process of one module (Child). What a module does is its
// own business; the supervisor knows none of them.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event/eventlog"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/service"
	"hids/platform/signals"
)

// ErrNothingEnabled means that the configuration switches every module off.
var ErrNothingEnabled = errors.New("every module is switched off")

// ErrStopped is what Run returns after an ordered stop.
var ErrStopped = errors.New("stopped")

// Options is what a supervisor needs to know.
type Options struct {
	Name    string           // of this process, pid file and log lines: "hids", "ossec-execd"
	Version string           // of this program
	Modules []modules.Module // in start order; they are stopped in the reverse order
	Layout  paths.Layout
	Host    paths.Host

	// Load reads the configuration. It is called at the start and for every
	// reload, and its error refuses the configuration.
	Load   func() (*config.Config, error)
	Reload <-chan os.Signal // a value asks for a reload; nil: nobody does

	Log       *slog.Logger    // this process's messages
	Output    *logging.Output // where Log and the modules' lines go
	LogFormat logging.Format
	Debug     bool // modules log at level debug

	// OSSEC keeps OSSEC's conventions: a module is called by its Alias, and a
	// missing group is an error. Group replaces the modules' group when it is
	// not empty.
	OSSEC bool
	Group string

	Ready func() error // called once when every module is ready; may be nil

	// Patience is how long another process that already runs one of the
	// modules may take to end; 0: 10 seconds.
	Patience time.Duration
}

// Run loads the configuration, starts the modules and supervises them until
// ctx ends; then it stops them and returns ErrStopped. An error before that
// means that it did not come to work: nothing is left running.
func Run(ctx context.Context, o Options) error {
	cfg, err := o.Load()
	if err != nil {
		return err
	}
	signals.HeedReserved() // before any module is started
	s := &supervisor{o: o, cfg: cfg, started: time.Now(), manager: service.NewManager()}
	if len(s.enabled()) == 0 {
		return ErrNothingEnabled
	}
	if err := s.open(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	err = s.serve(ctx)
	return errors.Join(err, s.close())
}

// Check loads the configuration and looks up users and groups, as Run does
// first, and changes nothing.
func Check(o Options) error {
	s := &supervisor{o: o, checking: true}
	if _, err := s.identities(); err != nil {
		return err
	}
	_, err := o.Load()
	return err
}

// supervisor is one running supervisor.
type supervisor struct {
	checking bool // nothing is to be run
	o        Options
	started  time.Time
	manager  *service.Manager
	keep     keep // what is open
	launch   *launcher
	workers  []*worker // of every module, in start order; those switched off are idle

	reloading sync.Mutex // held by the start and by one reload at a time
	mu        sync.Mutex // guards what follows
	cfg       *config.Config
	reload    ReloadStatus
}

func (s *supervisor) enabled() []modules.Module {
	var on []modules.Module
	for _, m := range s.o.Modules {
		if m.Enabled(s.cfg) {
			on = append(on, m)
		}
	}
	return on
}

// open prepares everything that does not need a module to run.
func (s *supervisor) open(ctx context.Context) error {
	ids, err := s.identities()
	if err != nil {
		return err
	}
	if err := prepare(s.o.Layout, ids); err != nil {
		return err
	}
	if err := s.keep.lock(ctx, s.o); err != nil {
		return err
	}
	if err := s.keep.open(s.o, s.cfg, groupOf(ids)); err != nil {
		return err
	}
	s.launch = &launcher{o: s.o, keep: &s.keep, ids: ids, reading: map[*os.File]bool{}}
	for _, m := range s.o.Modules {
		w := newWorker(m.Name, s.launch.starter(m), s.o.Log)
		s.workers = append(s.workers, w)
	}
	return nil
}

func (s *supervisor) close() error {
	if s.launch != nil {
		s.launch.close()
	}
	return s.keep.close()
}

// serve runs the workers and answers operators until ctx ends or a module
// fails at its first start.
func (s *supervisor) serve(ctx context.Context) error {
	// The workers are stopped one by one, so they do not live in ctx; what
	// answers questions meanwhile ends after them.
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	wg.Go(func() { s.answer(work) })
	for _, w := range s.workers {
		wg.Go(func() { w.run(work) })
	}
	defer s.stopAll()
	if err := s.startAll(ctx); err != nil {
		if ctx.Err() != nil {
			return ErrStopped
		}
		return err
	}
	if err := s.announce(); err != nil {
		return err
	}
	s.loop(ctx)
	s.tell(s.manager.Stopping())
	return ErrStopped
}

// startAll starts every module that is switched on and waits until all are
// ready. The first that can't start ends it.
func (s *supervisor) startAll(ctx context.Context) error {
	s.reloading.Lock() // operators' reloads wait until everything runs
	defer s.reloading.Unlock()
	for i, w := range s.workers {
		if !s.o.Modules[i].Enabled(s.cfg) {
			continue
		}
		if err := w.firstStart(ctx, s.cfg); err != nil {
			return fmt.Errorf("start %s: %w", w.name, err)
		}
	}
	return nil
}

// announce tells everybody who waits that the modules are ready.
func (s *supervisor) announce() error {
	s.keep.writePid(s.o)
	s.o.Log.Info(fmt.Sprintf("Started (pid: %d).", os.Getpid()))
	s.tell(s.manager.Ready(s.summary()))
	if s.o.Ready == nil {
		return nil
	}
	return s.o.Ready()
}

// loop takes reload requests and feeds the watchdog.
func (s *supervisor) loop(ctx context.Context) {
	var feed <-chan time.Time
	if d := service.Watchdog(); d > 0 {
		t := time.NewTicker(d)
		defer t.Stop()
		feed = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.o.Reload:
			_ = s.reloadNow(ctx) // logged there
		case <-feed:
			// The summary takes every worker's lock, so a worker that hangs
			// starves the watchdog.
			s.tell(s.manager.Alive(s.summary()))
		}
	}
}

// tell reports that the service manager could not be told.
func (s *supervisor) tell(err error) {
	if err != nil {
		s.o.Log.Warn("the service manager was not told", "err", err)
	}
}

// stopAll stops the modules, the last started first. Together they have a
// limited time; who needs longer is killed.
func (s *supervisor) stopAll() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for i := len(s.workers) - 1; i >= 0; i-- {
		s.workers[i].stop(ctx)
	}
}

// eventOptions are how the event log is kept.
func eventOptions(c *config.Config, gid int) eventlog.Options {
	return eventlog.Options{MaxSize: c.Settings.EventLogSize, MaxFiles: c.Settings.EventLogFiles, GID: gid}
}
