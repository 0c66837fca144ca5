// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/execd/blocks"
	"hids/modules/execd/journal"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/runner"
)

// mortal counts the steps of a daemon that change something outside of it, and
// ends the process with SIGKILL at one of them.
type mortal struct {
	steps atomic.Int64
	last  int64
	home  string
}

func (m *mortal) step() {
	if m.steps.Add(1) == m.last {
		kill9()
	}
}

func kill9() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // it is on its way
}

type mortalJournal struct {
	blocks.Journal
	*mortal
}

func (j mortalJournal) Commit(durable bool) error {
	j.step()
	defer j.step()
	return j.Journal.Commit(durable)
}

func (j mortalJournal) Flush() func() error {
	flush := j.Journal.Flush()
	return func() error {
		j.step()
		defer j.step()
		return flush()
	}
}

func (j mortalJournal) Rewrite(records iter.Seq[[]byte]) error {
	j.step()
	defer j.step()
	return j.Journal.Rewrite(records)
}

func (m *mortal) open(path string) (blocks.Journal, journal.Contents, error) {
	j, c, err := journal.Open(path)
	return mortalJournal{j, m}, c, err
}

// mortalQueue is the requests on disk.
type mortalQueue struct {
	requestQueue
	*mortal
}

func (q mortalQueue) Append(messages ...[]byte) error {
	q.step()
	defer q.step()
	return q.requestQueue.Append(messages...)
}

func (q mortalQueue) Ack() error {
	q.step()
	defer q.step()
	return q.requestQueue.Ack()
}

func (m *mortal) queue(dir string) (requestQueue, error) {
	q, err := openQueue(dir)
	return mortalQueue{q, m}, err
}

// start is a packet filter that counts: two adds are two rules, and a delete
// takes one away. That is OSSEC's firewall-drop.sh.
func (m *mortal) start(s runner.Spec) (process, error) {
	m.step()
	defer m.step()
	ip := s.Args[3]
	rules := rulesOf(m.home, ip)
	if s.Args[1] == add {
		name := filepath.Join(m.home, "rules", fmt.Sprintf("%s-%d-%d", ip, os.Getpid(), time.Now().UnixNano()))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return nil, err
		}
	} else if len(rules) > 0 {
		if err := os.Remove(rules[0]); err != nil {
			return nil, err
		}
	}
	return &fakeProcess{&fakePrograms{}}, nil
}

func rulesOf(home, ip string) []string {
	rules, _ := filepath.Glob(filepath.Join(home, "rules", ip+"-*"))
	return rules
}

// child is an execd that dies: at its step number EXECD_TEST_STEP, or when it
// has done all that was asked of it.
func child() int {
	layout := paths.Layout{Home: os.Getenv("HIDS_HOME")}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(os.Getenv(name), 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	m := &mortal{last: number("EXECD_TEST_STEP"), home: layout.Home}
	f := &fixture{t: &testing.T{}, layout: layout, clock: newHandClock(), keeper: &fakeKeeper{}}
	f.clock.pass(time.Duration(number("EXECD_TEST_CLOCK")) * time.Second)
	p := f.madeOf()
	p.open, p.start, p.queue = m.open, m.start, m.queue
	sock := os.NewFile(3, "execq")
	f.d = assemble(modules.Env{
		Config: &config.Config{}, Layout: layout, Events: &events{}, Files: map[string]*os.File{"execq": sock},
		Log: slog.New(logging.NewHandler(os.Stderr, logging.Options{Name: "ossec-execd", Level: slog.LevelError})), Ready: func() {},
	}, p)
	f.d.lanes.crowd = int(number("EXECD_TEST_CROWD"))
	go func() { _ = f.d.Run(context.Background()) }()
	c, err := net.Dial("unixgram", layout.ExecQueue())
	if err != nil {
		panic(err)
	}
	if _, err := c.Write([]byte("end")); err != nil { // no request: the last that is received
		panic(err)
	}
	for f.d.snapshot().Invalid == 0 {
		time.Sleep(time.Millisecond)
	}
	f.settled()
	if err := os.WriteFile(layout.Join("ended"), nil, 0o600); err != nil {
		panic(err)
	}
	kill9()
	return 0
}

// killed runs an execd until it is dead, one that has so many wait before others
// have to wait on disk (0: all do), and says whether it died at that step:
// it may have had no more to do before it came to it.
func (f *fixture) killed(step, clock, crowd int) bool {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.CommandContext(f.t.Context(), self)
	cmd.Env = append(os.Environ(), "EXECD_TEST_CHILD=1", "HIDS_HOME="+f.layout.Home,
		"EXECD_TEST_STEP="+strconv.Itoa(step), "EXECD_TEST_CLOCK="+strconv.Itoa(clock), "EXECD_TEST_CROWD="+strconv.Itoa(crowd))
	cmd.ExtraFiles = []*os.File{f.sock}
	cmd.Stderr = os.Stderr
	err = cmd.Run()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		f.t.Fatalf("the child did not die as planned: %v", err)
	}
	return os.Remove(f.layout.Join("ended")) != nil
}

// TestKill9 kills execd between every two of its steps, while blocks are made,
// extended, undone and made again: at the first step, at the second, and so on
// until it has no more, and then from the first again. Afterwards each rule has
// its block (else it would stay for ever), no address has two rules (else one
// would), and each block in force that counts as made has its rule (else it was
// undone by another's delete).
func TestKill9(t *testing.T) {
	kills := 48
	if os.Getenv("HIDS_TEST_ALL") == "1" {
		kills = 200
	}
	f := newFixture(t, "a3 - ardump - 3\nb5 - ardump - 5\n")
	f.programs("ardump")
	if err := os.Mkdir(f.layout.Join("rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	clock, round, step, furthest := 0, 0, 1, 0
	for ; kills > 0; round++ {
		for i := range 3 {
			f.trySend(fmt.Sprintf("%s - 203.0.113.%d 1.%d 5 x", []string{"a3", "b5"}[round%2], (round+i)%7, round))
		}
		if f.killed(step, clock, round/2%2*crowdJobs) {
			furthest = max(furthest, step)
			kills--
			step++
		} else {
			step = 1
		}
		f.consistent(clock)
		clock += round % 3
	}
	t.Logf("%d rounds, killed at up to step %d", round, furthest)
	if furthest < 12 { // more than the writing down
		t.Errorf("it never came further than to step %d", furthest)
	}
	f.killed(0, clock, 0)      // to its end
	f.killed(0, clock+1000, 0) // all is due
	if rules, _ := filepath.Glob(f.layout.Join("rules", "*")); len(rules) != 0 {
		t.Errorf("never undone: %v", rules)
	}
	if s := f.inspect(clock); s.Len() != 0 {
		t.Errorf("%d blocks left", s.Len())
	}
}

// trySend sends unless requests that a dead execd left fill the socket.
func (f *fixture) trySend(datagram string) {
	f.t.Helper()
	if err := f.sender.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		f.t.Fatal(err)
	}
	_, err := f.sender.Write([]byte(datagram))
	if err != nil && !os.IsTimeout(err) {
		f.t.Fatal(err)
	}
}

// inspect reads the journal as the next execd would, and does not touch it.
func (f *fixture) inspect(clock int) *blocks.Store {
	f.t.Helper()
	_, c, err := journal.Open(filepath.Join(f.layout.State("execd"), "blocks.journal"))
	if err != nil || c.Damage != nil {
		f.t.Fatal(err, c.Damage)
	}
	now := newHandClock()
	now.pass(time.Duration(clock) * time.Second)
	s, _ := blocks.Open(noJournal{}, c.Records, now)
	return s
}

func (f *fixture) consistent(clock int) {
	f.t.Helper()
	s := f.inspect(clock)
	blocked := map[string]bool{}
	for _, b := range s.List() {
		ip := b.Args[1]
		blocked[ip] = true
		if rules := rulesOf(f.layout.Home, ip); !b.Ending && s.Left(&b) > 0 && !s.NeedsStart(&b) && len(rules) == 0 {
			f.t.Errorf("block %d of %s is in force and has no rule", b.ID, ip)
		}
	}
	all, _ := filepath.Glob(f.layout.Join("rules", "*"))
	for _, rule := range all {
		ip, _, _ := strings.Cut(filepath.Base(rule), "-")
		if !blocked[ip] {
			f.t.Errorf("a rule for %s stays for ever", ip)
		}
		if n := len(rulesOf(f.layout.Home, ip)); n > 1 {
			f.t.Errorf("%d rules for %s", n, ip)
		}
	}
}
