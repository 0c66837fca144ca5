// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/modules/event/courier"
	"hids/modules/event/spool"
	"hids/modules/rootcheck/check"
	"hids/platform/fswatch"
	"hids/platform/paths"
	"hids/platform/priority"
	"hids/platform/queue"
)

// Name is the module's.
const Name = "rootcheck"

// Module describes rootcheck. It stands in for no daemon of OSSEC's own:
// ossec-syscheckd runs rootcheck as well.
func Module() modules.Module {
	return modules.Module{
		Name: Name,
		Privileges: modules.Privileges{
			User: "hids-rootcheck", Group: "ossec", Caps: capabilities(),
		},
		Enabled: func(cfg *config.Config) bool { return !cfg.Rootcheck.Disabled },
		New:     start,
	}
}

// start makes the daemon in a process of its own, which gives way to others.
func start(env modules.Env) (modules.Daemon, error) {
	if err := priority.Lower(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		env.Log.Warn("rootcheck takes as much of the machine as others do", "err", err)
	}
	return New(env)
}

// capabilities are those that some check needs; the reasons stand beside the
// checks.
func capabilities() []string {
	var caps []string
	seen := map[string]bool{}
	for _, c := range Checks(paths.Layout{}) {
		for _, n := range c.Needs {
			if !seen[n.Cap] && !c.OptIn {
				seen[n.Cap] = true
				caps = append(caps, n.Cap)
			}
		}
	}
	return caps
}

// Outbox takes messages for the manager. It must not wait for a reader.
type Outbox interface {
	Put(messages ...[]byte) error
	Sync() error
}

// Daemon runs scans when they are due and when somebody asks.
type Daemon struct {
	host     paths.Host
	layout   paths.Layout
	log      *slog.Logger
	events   event.Sink
	ready    func()
	store    *Store
	checks   []check.Check
	outbox   Outbox           // nil: nobody listens
	courier  *courier.Courier // carries what outbox took; nil in tests
	hostname string

	watcher func() fswatch.Watcher // of agentd's requests; nil in tests of time

	busy  chan struct{} // holds one token while a scan runs
	poke  chan struct{} // the configuration changed
	asked chan struct{} // agentd wants a scan

	mu      sync.Mutex // guards what follows
	cfg     *config.Config
	running string    // the trigger of the scan that runs, "" if none
	next    time.Time // when the next one is due
	scans   int64     // that ended, since the start
	took    time.Duration
}

// New makes the daemon of an environment.
func New(env modules.Env) (*Daemon, error) {
	d := &Daemon{
		host: env.Host, layout: env.Layout, log: env.Log, events: env.Events, ready: env.Ready,
		store:  NewStore(env.Layout.State(Name), env.Log),
		checks: Checks(env.Layout),
		busy:   make(chan struct{}, 1), poke: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		cfg: env.Config,
	}
	d.watcher = func() fswatch.Watcher { return newRequestWatcher(env.Layout.RunDir(), env.Log) }
	d.hostname, _ = os.Hostname()
	if !wantsQueue(env) {
		return d, nil
	}
	sp, err := spool.Open(spool.Options{Dir: env.Layout.Join("queue", "hids", Name, "spool"), MaxBytes: env.Config.Settings.SpoolSize})
	if err != nil {
		return nil, err
	}
	d.courier = &courier.Courier{
		Spool: sp, Queue: queue.New(env.Layout.Queue(), env.Layout.QueueWait()), Log: env.Log,
		Never: func(err error) bool { return errors.Is(err, queue.ErrTooLong) },
	}
	d.outbox = d.courier
	return d, nil
}

// wantsQueue: where a manager is configured its agentd may start after us.
func wantsQueue(env modules.Env) bool {
	switch env.Config.Settings.Queue {
	case "no":
		return false
	case "yes":
		return true
	}
	return len(env.Config.Manager.Addresses) > 0 || queue.Exists(env.Layout.Queue())
}

// Run serves until ctx ends.
func (d *Daemon) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	carried := make(chan error, 1)
	if d.courier != nil {
		defer d.courier.Spool.Close()
		wg.Go(func() { carried <- d.courier.Run(ctx) })
	}
	if d.watcher != nil {
		if w := d.watcher(); w != nil {
			wg.Go(func() { watchRequests(ctx, w, d.layout.SyscheckRun(), d.alone, func() { signal(d.asked) }) })
		}
	}
	d.ready()
	return d.loop(ctx, carried)
}

// loop scans whenever a scan is due. carried has a word when the courier gave
// up.
func (d *Daemon) loop(ctx context.Context, carried <-chan error) error {
	start, last := time.Now(), time.Time{}
	for ctx.Err() == nil {
		due := nextScan(d.config(), start, last)
		d.setNext(due)
		if !time.Now().Before(due) {
			trigger := "scheduled"
			if last.IsZero() {
				trigger = "startup"
			}
			last = time.Now()
			d.scheduled(ctx, trigger)
			continue
		}
		select {
		case <-ctx.Done():
		case err := <-carried:
			if ctx.Err() == nil {
				return fmt.Errorf("carry messages to the queue: %w", err)
			}
		case <-d.poke:
		case <-d.asked:
			last = time.Now()
			d.scheduled(ctx, "scan-now")
		case <-time.After(min(time.Until(due), glance)):
		}
	}
	return nil
}

func (d *Daemon) scheduled(ctx context.Context, trigger string) {
	_, err := d.Scan(ctx, trigger, nil)
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, ErrBusy):
		d.log.Info("a scan was due while another one ran")
	default:
		d.log.Error("scan failed; it is tried again when the next one is due", "err", err)
	}
}

func (d *Daemon) config() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

func (d *Daemon) setNext(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = t
}

func (d *Daemon) setRunning(trigger string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = trigger
}

// Reload takes a new configuration; a scan that runs keeps its own.
func (d *Daemon) Reload(_ context.Context, cfg *config.Config) error {
	d.mu.Lock()
	d.cfg = cfg
	d.mu.Unlock()
	signal(d.poke)
	return nil
}

// signal puts a token in a channel that may hold one already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// alone reports whether syscheckd does not run.
func (d *Daemon) alone() bool { return d.config().Syscheck.Disabled }

// ErrBusy means that a scan runs already.
var ErrBusy = errors.New("a scan is running")

// Scan runs the named checks (none: all that are on) and tells what was found:
// everything to the manager, what is different to the event log.
func (d *Daemon) Scan(ctx context.Context, trigger string, names []string) (*Report, error) {
	select {
	case d.busy <- struct{}{}:
		defer func() { <-d.busy }()
	default:
		return nil, ErrBusy
	}
	d.setRunning(trigger)
	defer d.setRunning("")
	cfg := d.config()
	if _, err := Select(d.checks, &cfg.Rootcheck, names); err != nil {
		return nil, err
	}
	if err := d.send(scanStarts); err != nil {
		d.log.Error("the manager will not hear of this scan", "err", err)
	}
	d.log.Info(scanStarts)
	report, err := d.scan(ctx, cfg, trigger, names)
	if err != nil {
		return report, err
	}
	d.count(report)
	debug.FreeOSMemory() // there is nothing to do for hours
	d.log.Info(scanEnds, "findings", len(report.Entries), "open", len(report.Open()))
	return report, errors.Join(d.send(scanEnds), d.sync())
}

func (d *Daemon) count(r *Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scans++
	d.took += r.End.Sub(r.Start)
}

func (d *Daemon) scan(ctx context.Context, cfg *config.Config, trigger string, names []string) (*Report, error) {
	memory, err := d.store.Memory()
	if err != nil {
		d.log.Error("checks know nothing of earlier scans", "err", err)
		memory = func(string) *check.Memory { return check.NewMemory(nil) }
	}
	sc := Scanner{Host: d.host, Checks: d.checks, Config: &cfg.Rootcheck, Log: d.log}
	start := time.Now()
	outcomes, err := sc.Run(ctx, names, memory, func(check.Finding) {})
	if err != nil {
		return nil, err
	}
	// A full disk must not silence a finding: whatever can't be kept or sent
	// one way still goes the others.
	report, changes, err := d.store.Finish(ctx, start, time.Now(), trigger, outcomes)
	if err != nil {
		d.log.Error("this scan is not remembered", "err", err)
	}
	for _, o := range outcomes {
		if o.State == Failed {
			d.log.Error("check failed", "check", o.Check, "reason", o.Reason)
		}
	}
	return report, errors.Join(d.tell(report, outcomes), announce(ctx, d.events, d.hostname, trigger, time.Now(), changes))
}

// tell sends every finding of this run that nobody accepted, again and again:
// a manager takes what it does not hear for resolved.
func (d *Daemon) tell(report *Report, outcomes []Outcome) error {
	accepted := map[string]bool{}
	for _, e := range report.Entries {
		accepted[e.ID] = e.Accepted != nil
	}
	for _, o := range outcomes {
		for _, f := range o.findings {
			if f.Wire == "" || accepted[f.ID] {
				continue
			}
			if err := d.send(f.Wire); err != nil {
				return err
			}
		}
	}
	return nil
}

// send hands a text over. A full spool drops it; the next scan sends it again.
func (d *Daemon) send(text string) error {
	if d.outbox == nil {
		return nil
	}
	err := d.outbox.Put(datagram(text))
	if errors.Is(err, spool.ErrFull) {
		return nil
	}
	return err
}

func (d *Daemon) sync() error {
	if d.outbox == nil {
		return nil
	}
	return d.outbox.Sync()
}
