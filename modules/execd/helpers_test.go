// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/modules/execd/response"
	"hids/platform/execq"
	"hids/platform/firewall"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/runner"
)

// ceiling is how long a test waits for what must come.
const ceiling = 3 * time.Minute

// TestMain makes the test binary also the active response program: below
// active-response/bin it reports what it sees of its call.
func TestMain(m *testing.M) {
	if filepath.Base(filepath.Dir(os.Args[0])) == "bin" && filepath.Base(filepath.Dir(filepath.Dir(os.Args[0]))) == "active-response" {
		os.Exit(respond())
	}
	switch os.Getenv("EXECD_TEST_CHILD") {
	case "":
	case "serve":
		os.Exit(serveApart())
	default:
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// fullSize says that a heavy test shall be as heavy as it can: once in all runs
// of the suite, not under the race detector and not as a plain user again.
func fullSize() bool {
	return os.Getenv("HIDS_TEST_ALL") == "1" && os.Getenv("HIDS_TEST_UNPRIVILEGED") != "1" && !raceEnabled
}

// report is one call of a program.
type report struct {
	At   int64    `json:"at"`
	PID  int      `json:"pid"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	In   string   `json:"in"`
}

// respond is the program. How it behaves is in its name.
func respond() int {
	home := os.Getenv("HIDS_HOME")
	r := report{At: time.Now().UnixNano(), PID: os.Getpid(), Argv: os.Args, Env: os.Environ()}
	r.Dir, _ = os.Getwd()
	name := filepath.Base(os.Args[0])
	if strings.HasPrefix(name, "wazuh") {
		r.In = wazuhProgram(name)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return 99
	}
	file := filepath.Join(home, "reports", fmt.Sprintf("%d-%d", r.At, os.Getpid()))
	if os.WriteFile(file+".tmp", data, 0o600) != nil || os.Rename(file+".tmp", file) != nil {
		return 98
	}
	switch {
	case strings.HasPrefix(name, "hang"):
		for { // not select: the runtime would call it a deadlock
			time.Sleep(time.Hour)
		}
	case strings.HasPrefix(name, "gate"): // ends when the test says so
		for {
			if _, err := os.Stat(filepath.Join(home, "gate")); err == nil {
				return 0
			}
			time.Sleep(time.Millisecond)
		}
	case strings.HasPrefix(name, "fail"):
		fmt.Println("it went wrong")
		return 3
	}
	return 0
}

// lines collects log lines in OSSEC's form, without their time.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, strings.TrimSuffix(string(p[len("2006/01/02 15:04:05 "):]), "\n"))
	return len(p), nil
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.all {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// events collects events.
type events struct {
	mu   sync.Mutex
	all  []*event.Event
	seen chan struct{} // not nil: gets one for each event
}

func (s *events) Emit(_ context.Context, e *event.Event) error {
	s.mu.Lock()
	s.all = append(s.all, e)
	s.mu.Unlock()
	if s.seen != nil {
		s.seen <- struct{}{}
	}
	return nil
}

func (s *events) actions() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, e := range s.all {
		n[e.Event.Action]++
	}
	return n
}

func (s *events) find(action string) *event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if e.Event.Action == action {
			return e
		}
	}
	return nil
}

// handClock goes when it is told to.
type handClock struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
	id   string
}

func newHandClock() *handClock {
	return &handClock{wall: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC), boot: time.Hour, id: "boot-1"}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *handClock) Boot() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot
}

func (c *handClock) BootID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot = c.wall.Add(d), c.boot+d
}

// step sets the wall clock.
func (c *handClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

func (c *handClock) reboot(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot, c.id = c.wall.Add(took), time.Minute, c.id+"'"
}

// fakeKeeper keeps what firewall-drop blocks, in memory.
type fakeKeeper struct {
	mu    sync.Mutex
	calls [][]response.Block
	fail  error // of the next Reconcile
	keeps func(response.Block) bool
}

func (k *fakeKeeper) Keeps(b response.Block) bool { return k.keeps != nil && k.keeps(b) }

func (k *fakeKeeper) Reconcile(_ context.Context, blocks []response.Block) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, blocks)
	err := k.fail
	k.fail = nil
	return false, err
}

func (k *fakeKeeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = nil
}

func (k *fakeKeeper) last() []response.Block {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.calls) == 0 {
		return nil
	}
	return k.calls[len(k.calls)-1]
}

func (k *fakeKeeper) Watch(context.Context) (*firewall.Watcher, error) {
	return nil, errors.ErrUnsupported
}

// fixture is an installation with an execd that serves it.
type fixture struct {
	t      testing.TB
	layout paths.Layout
	cfg    config.Config
	clock  *handClock
	keeper *fakeKeeper
	own    []netip.Addr
	parts  func(*parts) // changes what the daemon is made of

	sock   *os.File
	sender net.Conn
	d      *Daemon
	log    *lines
	events *events
	sink   event.Sink // instead of events
	stop   context.CancelFunc
	ended  chan error
	sent   int64
}

func newFixture(t testing.TB, arConf string) *fixture {
	t.Helper()
	f := &fixture{
		t: t, layout: paths.Layout{Home: t.TempDir()}, clock: newHandClock(), keeper: &fakeKeeper{},
		log: &lines{}, events: &events{},
		own: []netip.Addr{netip.MustParseAddr("198.51.100.1")},
	}
	f.install(arConf)
	sock, err := execq.Listen(f.layout.ExecQueue(), -1)
	if err != nil {
		t.Fatal(err)
	}
	f.sock = sock
	if f.sender, err = net.Dial("unixgram", f.layout.ExecQueue()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.end()
		f.sender.Close()
		sock.Close()
	})
	return f
}

// install makes the folders and ar.conf.
func (f *fixture) install(arConf string) {
	f.t.Helper()
	for _, dir := range []string{"etc/shared", "active-response/bin", "queue/alerts", "queue/hids", "reports"} {
		if err := os.MkdirAll(f.layout.Join(dir), 0o750); err != nil {
			f.t.Fatal(err)
		}
	}
	f.arConf(arConf)
}

func (f *fixture) arConf(text string) {
	f.t.Helper()
	tmp := f.layout.ARConf() + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o640); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(tmp, f.layout.ARConf()); err != nil {
		f.t.Fatal(err)
	}
}

// programs puts the test's program there under some names.
func (f *fixture) programs(names ...string) {
	f.t.Helper()
	for _, name := range names {
		installProgram(f.t, filepath.Join(f.layout.ResponseBin(), name))
	}
}

func installProgram(t testing.TB, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Link(self, path) == nil {
		return
	}
	data, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(path, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts the daemon and waits until it serves.
func (f *fixture) begin() {
	f.t.Helper()
	ready := make(chan struct{})
	env := modules.Env{
		Config: &f.cfg, Layout: f.layout, Events: cmp.Or(f.sink, event.Sink(f.events)), Files: map[string]*os.File{"execq": f.sock},
		Log:   slog.New(logging.NewHandler(f.log, logging.Options{Name: "ossec-execd"})),
		Ready: func() { close(ready) },
	}
	f.d = assemble(env, f.madeOf())
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ended, f.sent = stop, make(chan error, 1), 0
	d := f.d
	go func() { f.ended <- d.Run(ctx) }()
	select {
	case <-ready:
	case err := <-f.ended:
		f.t.Fatalf("execd ended at once: %v", err)
	}
}

func (f *fixture) madeOf() parts {
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	none := func() ([]netip.Addr, error) { return nil, nil }
	p := parts{
		clock: f.clock, self: self, host: "testhost", start: startProgram, open: openJournal, queue: openQueue, keysWait: ceiling, retryReading: time.Hour,
		newKeeper: func(config.ActiveResponse) keeper { return f.keeper },
		sources: sources{
			own: func() ([]netip.Addr, error) { return f.own, nil }, gateways: none, resolvers: none, admins: none,
			lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no resolver in tests") },
			now:    time.Now,
		},
	}
	if f.parts != nil {
		f.parts(&p)
	}
	return p
}

// end stops the daemon as SIGTERM does.
func (f *fixture) end() {
	if f.stop == nil {
		return
	}
	f.stop()
	f.stop = nil
	if err := <-f.ended; err != nil {
		f.t.Errorf("execd ended with %v", err)
	}
}

func (f *fixture) send(datagram string) {
	f.t.Helper()
	if _, err := f.sender.Write([]byte(datagram)); err != nil {
		f.t.Fatal(err)
	}
	f.sent++
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(ceiling); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to this: %s", what)
		}
	}
}

// settled waits until everything that was sent is decided, nothing is due, and
// every program has ended.
func (f *fixture) settled() {
	f.t.Helper()
	eventually(f.t, "all requests decided, nothing due, all programs ended", func() bool {
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		s := f.d.counted()
		left, any := f.d.store.Next()
		decided := s.Invalid + s.Absent + s.Refused + s.Overload + s.Merged + s.Accepted
		return s.Received >= f.sent && decided >= s.Received && s.Running == 0 && s.Waiting == 0 && (!any || left > 0)
	})
}

// pass lets time go by, and what is due happen.
func (f *fixture) pass(d time.Duration) {
	f.t.Helper()
	f.clock.pass(d)
	f.d.rearm()
	f.settled()
}

// runs returns the calls of programs since the last time, in their order: the
// base name and the arguments.
func (f *fixture) runs() []string {
	f.t.Helper()
	var calls []string
	for _, r := range f.reports() {
		argv := slices.Clone(r.Argv)
		argv[0] = strings.TrimPrefix(argv[0], f.layout.ResponseBin()+"/")
		calls = append(calls, fmt.Sprintf("%q", argv))
	}
	return calls
}

func (f *fixture) reports() []report {
	f.t.Helper()
	return takeReports(f.t, f.layout)
}

func takeReports(t testing.TB, layout paths.Layout) []report {
	t.Helper()
	names, err := filepath.Glob(layout.Join("reports", "*[0-9]"))
	if err != nil {
		t.Fatal(err)
	}
	var all []report
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r report
		if err := json.Unmarshal(bytes.TrimSpace(data), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(all, func(a, b report) int { return int(a.At - b.At) })
	return all
}

// calls writes what programs are expected to be called with: "ardump add - 1.2.3.4".
func calls(want ...string) []string {
	var out []string
	for _, w := range want {
		out = append(out, fmt.Sprintf("%q", strings.Split(w, " ")))
	}
	return out
}

func (f *fixture) expect(want ...string) {
	f.t.Helper()
	f.settled()
	if got := f.runs(); !slices.Equal(got, calls(want...)) {
		f.t.Fatalf("programs ran\n%s\nwant\n%s\nlog:\n%s", strings.Join(got, "\n"), strings.Join(calls(want...), "\n"), f.log)
	}
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// fakePrograms stands in for real processes where a test needs thousands.
type fakePrograms struct {
	gate chan struct{} // programs end when it is closed; nil: at once
	exit atomic.Int64  // their exit code

	running, most atomic.Int64

	mu    sync.Mutex
	calls []string
}

func (p *fakePrograms) start(s runner.Spec) (process, error) {
	for n := p.running.Add(1); ; {
		most := p.most.Load()
		if n <= most || p.most.CompareAndSwap(most, n) {
			break
		}
	}
	argv := slices.Clone(s.Args)
	argv[0] = filepath.Base(argv[0])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf("%q", argv))
	return &fakeProcess{p}, nil
}

func (p *fakePrograms) count(action string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		if strings.Contains(c, `" "`+action+`" "`) {
			n++
		}
	}
	return n
}

func (p *fakePrograms) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

type fakeProcess struct{ *fakePrograms }

func (p *fakeProcess) Wait() runner.Result {
	if p.gate != nil {
		<-p.gate
	}
	p.running.Add(-1)
	return runner.Result{ExitCode: int(p.exit.Load())}
}

func (p *fakeProcess) PID() int                       { return 1 }
func (p *fakeProcess) Say([]byte) error               { return nil }
func (p *fakeProcess) Hush()                          {}
func (p *fakeProcess) FirstLine(time.Duration) []byte { return nil }
