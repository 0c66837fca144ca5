// SPDX-License-Identifier: Apache-2.0

// Package execd is OSSEC's active response: it takes requests from the manager,
// decides whether each may run, runs the program that ar.conf names, and undoes
// it in time. The grammar of a request, the durable table of blocks, and the
// built-in responses are its subpackages; what only the system can do (sockets,
// processes, the packet filter) is in platform.
//
// One request goes
//
//	receive (→ backlog) → accept (judge, write to the journal) → lane → start → attend → told
//
// and its undoing
//
//	expire → lane → start → attend → written to the journal → told
//
// What is written to the journal outlives this process at once; the flush that has
// it outlive the machine is done beside the start of the program (flush.go).
//
// The mutex of Daemon guards the table of blocks. Whatever must happen in the
// order of the table is put into its lane under that mutex, and a lane is
// served one program at a time, so a delete never overtakes its add.
package execd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/modules/execd/blocks"
	"hids/modules/execd/journal"
	"hids/modules/execd/response"
	"hids/platform/command"
	"hids/platform/execq"
	"hids/platform/firewall"
	"hids/platform/logging"
	"hids/platform/runner"
)

// Module describes execd. It keeps root, because responses change packet
// filters and accounts; its group is OSSEC's.
func Module() modules.Module {
	return modules.Module{
		Name:       "execd",
		Alias:      "ossec-execd",
		Privileges: modules.Privileges{Root: true, Group: "ossec"},
		Files:      []string{"execq"},
		Enabled:    func(c *config.Config) bool { return !c.ActiveResponse.Disabled },
		New:        func(env modules.Env) (modules.Daemon, error) { return New(env) },
	}
}

// What is used where the configuration says nothing.
const (
	defaultConcurrency = 32
	defaultDeadline    = 2 * time.Minute
)

// gcPercent has the garbage of a burst collected early (debug.SetGCPercent): a
// burst is most of what execd ever holds, and it is idle nearly always.
const gcPercent = 30

// Daemon is execd.
type Daemon struct {
	parts
	env modules.Env
	log *slog.Logger

	table *table
	guard *guard
	tell  *teller
	stats stats
	lanes *lanes
	wake  chan struct{} // the table's next deadline has changed
	dirty chan struct{} // the journal has something that is not flushed
	renew chan renewal  // built-in blocks whose end has changed

	backlog  *backlog    // of what finds the lanes crowded
	renewAll atomic.Bool // renew was full once

	// keepMu is held to write while blocks are put back: no undoing starts
	// meanwhile. It also guards keeper.
	keepMu sync.RWMutex
	keeper keeper

	mu       sync.Mutex // guards what follows
	store    *blocks.Store
	policy   policy
	prefixes []int // of the IPv6 networks that are blocked, whatever policy says now
	stopping bool
	unsaved  bool // the journal can't be written, and that has been said
}

// policy is what the configuration says about requests.
type policy struct {
	ladder     blocks.Policy
	deadline   time.Duration
	keepOnStop bool
	ipv6Prefix int
}

// process is a running program.
type process interface {
	Wait() runner.Result
	PID() int
	Say([]byte) error
	Hush()
	FirstLine(time.Duration) []byte
}

// keeper puts back what others took away; response.Keeper is one.
type keeper interface {
	Keeps(response.Block) bool
	Reconcile(context.Context, []response.Block) (bool, error)
	Watch(context.Context) (*firewall.Watcher, error)
}

// New reads what is blocked from the journal. A journal that can't be used is
// said, and blocks are then kept in memory only: a full disk is no reason to
// let attackers in.
func New(env modules.Env) (*Daemon, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find host name: %w", err)
	}
	d := assemble(env, parts{
		clock: newClock(env.Host), self: self, host: host, start: startProgram, open: openJournal, queue: openQueue,
		sources: systemSources(env.Host), keysWait: keysWait, retryReading: retryReading,
		newKeeper: func(c config.ActiveResponse) keeper {
			return response.NewKeeper(response.Env{Layout: env.Layout, Host: env.Host, Config: c, Run: command.Run})
		},
	})
	return d, nil
}

// parts is what a Daemon has of the system it runs on.
type parts struct {
	clock     blocks.Clock
	self      string // this binary, which is also the built-in responses
	host      string
	start     func(runner.Spec) (process, error)
	open      func(path string) (blocks.Journal, journal.Contents, error)
	queue     func(dir string) (requestQueue, error)
	sources   sources
	newKeeper func(config.ActiveResponse) keeper
	keysWait  time.Duration
	// retryReading is the pause before requests on disk that can't be read are
	// tried again.
	retryReading time.Duration
}

func assemble(env modules.Env, p parts) *Daemon {
	d := &Daemon{
		env: env, parts: p, log: env.Log,
		tell:  newTeller(env.Events, env.Log, p.host),
		guard: newGuard(p.sources, env.Log),
		table: newTable(env.Layout, env.Log),
		lanes: newLanes(defaultConcurrency),
		wake:  make(chan struct{}, 1), dirty: make(chan struct{}, 1), renew: make(chan renewal, 64),
	}
	d.keeper = p.newKeeper(env.Config.ActiveResponse)
	d.configure(env.Config)
	d.openStore()
	return d
}

// noJournal stands in for one that can't be read. It must not be written
// either: what is in it may be read another day.
type noJournal struct{ err error }

func (j noJournal) Append([]byte) error            { return nil }
func (j noJournal) Commit(bool) error              { return j.err }
func (j noJournal) Rewrite(iter.Seq[[]byte]) error { return j.err }
func (j noJournal) Flush() func() error            { return func() error { return nil } }
func (j noJournal) Size() int64                    { return 0 }

func startProgram(s runner.Spec) (process, error) { return runner.Start(s) }

func openJournal(path string) (blocks.Journal, journal.Contents, error) { return journal.Open(path) }

func (d *Daemon) openStore() {
	dir := d.env.Layout.State("execd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.log.Error("state folder can't be made: blocks are kept in memory only", "err", err)
	}
	j, contents, err := d.open(filepath.Join(dir, blocks.FileName))
	if err != nil {
		d.log.Error("what was blocked can't be read: blocks are kept in memory only, and those of before stay", "err", err)
		j = noJournal{err}
	}
	if contents.Damage != nil {
		d.log.Error("journal of blocks is damaged: what could be read is in force, a copy is beside it",
			"path", filepath.Join(dir, blocks.FileName+".damaged"), "err", contents.Damage)
	}
	store, err := blocks.Open(j, contents.Records, d.clock)
	if err != nil {
		d.log.Error("journal of blocks can't be used whole: blocks may not outlive this process", "err", err)
	}
	d.store = store
	d.knowPrefixes()
	queue, err := d.queue(filepath.Join(dir, "backlog"))
	d.backlog = newBacklog(queue, err, d.clock, d.log)
}

// configure takes a configuration over, and returns the jobs that may start now.
// The caller holds mu or is alone.
func (d *Daemon) configure(c *config.Config) []*job {
	ar := c.ActiveResponse
	d.policy = policy{
		ladder:     blocks.Policy{Ladder: ladder(ar.RepeatedOffenders), Age: ar.OffendersAge},
		deadline:   ar.Deadline,
		keepOnStop: ar.KeepOnStop,
		ipv6Prefix: ar.IPv6Prefix,
	}
	if d.policy.deadline <= 0 {
		d.policy.deadline = defaultDeadline
	}
	limit := ar.Concurrency
	if limit <= 0 {
		limit = defaultConcurrency
	}
	d.guard.configure(ar.WhiteList, c.Manager.Addresses, ar.ProtectSSH)
	for i, step := range d.policy.ladder.Ladder {
		d.log.Info(fmt.Sprintf("Adding offenders timeout: %d (for #%d)", step/time.Minute, i+1))
	}
	return d.lanes.setLimit(limit)
}

// ladder ends at the first 0, as OSSEC's does.
func ladder(steps []time.Duration) []time.Duration {
	for i, s := range steps {
		if s == 0 {
			return steps[:i]
		}
	}
	return steps
}

// Reload takes a new configuration. It refuses none: the supervisor has checked
// it. ar.conf is looked at again too.
func (d *Daemon) Reload(_ context.Context, c *config.Config) error {
	d.mu.Lock()
	d.env.Config = c
	ready := d.configure(c)
	d.knowPrefixes()
	d.mu.Unlock()
	for _, j := range ready {
		go d.run(j)
	}
	d.keepMu.Lock()
	d.keeper = d.newKeeper(c.ActiveResponse)
	d.keepMu.Unlock()
	d.table.reload()
	return nil
}

// Run serves until ctx ends. What is pending is then undone as OSSEC does it,
// unless the configuration keeps it for the next start.
func (d *Daemon) Run(ctx context.Context) error {
	f := d.env.Files["execq"]
	if f == nil {
		return errors.New("start execd: there is no request socket; start it through the supervisor")
	}
	debug.SetGCPercent(gcPercent)
	if err := runner.Prepare(); err != nil {
		return fmt.Errorf("start execd: %w", err)
	}
	in, err := execq.Open(f)
	if err != nil {
		return fmt.Errorf("start execd: %w", err)
	}
	defer in.Close()
	return d.serve(ctx, in)
}

// serve runs everything and ends it in order: first the receiver, so that
// nothing new comes; then the clock and the keeper; then what is pending; then
// the one who tells of it; last the flush, as a disk that stalls must not keep
// blocks from being undone.
func (d *Daemon) serve(ctx context.Context, in *execq.Receiver) error {
	var told, helpers, flusher sync.WaitGroup
	told.Go(d.tell.run)
	flushing, stopFlushing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlushing()
	flusher.Go(func() { d.flush(flushing) })
	d.table.reload()
	helping, stopHelping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHelping()
	helpers.Go(func() { d.table.watch(helping) })
	helpers.Go(func() { d.guard.resolve(helping) })
	d.guard.refresh()
	d.undoDue() // what is overdue goes before another block of the same target comes again
	d.restore()
	helpers.Go(func() { d.keep(helping) })
	helpers.Go(func() { d.expire(helping) })
	helpers.Go(func() { d.catchUp(helping) })
	stop := context.AfterFunc(ctx, in.Interrupt)
	defer stop()
	d.env.Ready()
	err := d.receive(ctx, in)
	stopHelping()
	helpers.Wait()
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), modules.ErrSupervisorGone) { // else it is a crash, and blocks outlive it
		d.shutDown(ctx)
	}
	d.backlog.close()
	d.tell.close()
	told.Wait()
	stopFlushing()
	flusher.Wait()
	return err
}

// ossec says one of OSSEC's numbered messages.
func (d *Daemon) ossec(level slog.Level, id int, format string, args ...any) {
	d.log.LogAttrs(context.Background(), level, fmt.Sprintf(format, args...), logging.ID(id))
}

// save makes the table's changes outlive this process, and soon the machine. The
// caller holds mu.
func (d *Daemon) save() {
	d.commit(false)
	d.flushSoon()
}

// commit makes the table's changes outlive this process, and with durable, at
// the price of waiting for the disk, the machine. The caller holds mu. A disk that
// can't be written is said once, and responses go on.
func (d *Daemon) commit(durable bool) {
	err := d.store.Commit(durable)
	switch {
	case err != nil && !d.unsaved:
		d.log.Error("journal of blocks can't be written: blocks would not outlive this process", "err", err)
	case err == nil && d.unsaved:
		d.log.Info("journal of blocks is written again")
	}
	d.unsaved = err != nil
	if err != nil {
		d.stats.unsaved.Add(1)
	}
}

var (
	_ modules.Daemon     = (*Daemon)(nil)
	_ modules.Reloader   = (*Daemon)(nil)
	_ modules.Controller = (*Daemon)(nil)
	_ event.Sink         = event.SinkFunc(nil)
)
