// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"errors"
	"fmt"
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

	"hids/modules/execd/blocks"
	"hids/modules/execd/response"
	"hids/platform/execq"
	"hids/platform/runner"
)

func TestEnvironmentOfPrograms(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\n")
	f.programs("ardump")
	t.Setenv("EVIL", "1")
	f.begin()
	f.send("a0 - 203.0.113.1\x00")
	f.settled()
	r := f.reports()[0]
	want := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HIDS_HOME=" + f.layout.Home}
	if !slices.Equal(r.Env, want) || r.Dir != "/" || r.Argv[0] != filepath.Join(f.layout.ResponseBin(), "ardump") {
		t.Errorf("%+v", r)
	}
}

func TestUndoneInTimeAndOnlyOnce(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\n")
	f.programs("ardump")
	f.begin()
	f.send("a60 - 203.0.113.1 1.1 5 x")
	f.expect("ardump add - 203.0.113.1 1.1 5 x")
	f.pass(60*time.Second - 1)
	f.expect()
	f.pass(1)
	f.expect("ardump delete - 203.0.113.1 1.1 5 x")
	f.pass(time.Hour)
	f.end()
	f.expect()
	if got := f.events.actions(); got[actBlock] != 1 || got[actUnblock] != 1 || len(got) != 2 {
		t.Errorf("events %v", got)
	}
	e := f.events.find(actBlock)
	if e.Source.IP != "203.0.113.1" || e.Rule.ID != "5" || *e.Process.ExitCode != 0 || e.HIDS.Until == nil {
		t.Errorf("event %+v", e)
	}
}

func TestUserIsPartOfTheKey(t *testing.T) {
	f := newFixture(t, "disable60 - disable-account.sh - 60\nblock60 - ardump - 60\n")
	f.programs("disable-account.sh", "ardump")
	f.begin()
	f.send("disable60 alice -")
	f.settled()
	f.send("disable60 bob -")
	f.settled()
	f.send("disable60 alice 203.0.113.1") // about alice, whatever the address
	f.send("block60 alice 203.0.113.1")
	f.settled()
	f.send("block60 bob 203.0.113.1") // about the address, whatever the user
	f.send("block60 bob ::ffff:203.0.113.1")
	f.expect("disable-account.sh add alice -", "disable-account.sh add bob -", "ardump add alice 203.0.113.1")
	if s := f.d.snapshot(); s.Merged != 3 {
		t.Errorf("%d merged", s.Merged)
	}
}

func TestNeverBlocked(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\nrestart-ossec0 - restart-ossec.sh - 0\n")
	f.programs("ardump", "restart-ossec.sh")
	f.cfg.ActiveResponse.WhiteList = []string{"192.0.2.0/24", "2001:db8::/32", "10.1.0.0/255.255.0.0"}
	f.cfg.Manager.Addresses = []string{"203.0.113.200"}
	f.begin()
	never := []string{
		"127.0.0.1", "127.9.9.9", "::1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "::ffff:127.0.0.1", // loopback
		"0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1",
		"198.51.100.1",                                             // its own
		"192.0.2.77", "2001:db8:1::2", "10.1.2.3", "203.0.113.200", // white list, manager
		"evil.example", "localhost", "0.0.0.0/0", "203.0.113.0/24", "203.0.113.1,127.0.0.1", "-j", "fe80::1%eth0",
	}
	for _, ip := range never {
		f.send("a0 - " + ip + " 1.1 5 x")
	}
	f.send("a0 -d 203.0.113.1 1.1 5 x") // a user that is an option
	f.expect()
	if s := f.d.snapshot(); s.Refused != int64(len(never))+1 {
		t.Errorf("%d refused of %d\n%s", s.Refused, len(never)+1, f.log)
	}
	// None of the list, and responses that block nobody.
	for _, line := range []string{"a0 - 203.0.113.1", "a0 - 2001:db9::1", "a0 - null", "a0 - -", "a0 - 10.2.0.1", "restart-ossec0 - 127.0.0.1"} {
		f.send(line)
		f.settled()
	}
	if got := len(f.runs()); got != 6 {
		t.Errorf("%d ran\n%s", got, f.log)
	}
	f.end()
	if got := f.events.actions()[actRefuse]; got != len(never)+1 {
		t.Errorf("%d refusals told", got)
	}
}

// What the host's network tells is on the list too. A source that fails has its
// last answer, and administrators' sessions can be left out.
// Text that is no address, and that a program could take for one, is not handed on.
func TestWhatIsNoAddressIsRefused(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\nnotify0 - notify - 0\n")
	f.programs("ardump", "notify")
	f.begin()
	f.send("a0 - \t127.0.0.1 1 2")
	f.send("a0 - 198.51.100.1\n 1 2")
	f.send("notify0 - web.example 1 2")
	f.send("notify0 - -x 1 2")
	f.expect("notify add - web.example 1 2")
	if n := f.d.snapshot().Refused; n != 3 {
		t.Errorf("%d are refused", n)
	}
}

// Only packet filters block whole networks. Other responses are about one address.
func TestNetworkIsOfPacketFilters(t *testing.T) {
	f := newFixture(t, "hd600 - host-deny.sh - 600\nfw600 - firewall-drop.sh - 600\n")
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.cfg.ActiveResponse.IPv6Prefix = 64
	f.own = []netip.Addr{netip.MustParseAddr("2001:db8:1::1")}
	f.begin()
	for _, name := range []string{"hd600", "fw600"} {
		for _, ip := range []string{"2001:db8:2::1", "2001:db8:2::2", "2001:db8:1::2"} {
			f.send(name + " - " + ip)
			f.settled()
		}
	}
	want := calls("host-deny.sh add - 2001:db8:2::1", "host-deny.sh add - 2001:db8:2::2", "host-deny.sh add - 2001:db8:1::2",
		"firewall-drop.sh add - 2001:db8:2::1")
	if got := fake.take(); !slices.Equal(got, want) {
		t.Errorf("ran %v", got)
	}
}

// A block keeps the size that it was made with, and judged by, whatever is
// configured later, and stays the one for its address.
func TestNetworkOfABlockStays(t *testing.T) {
	for _, sizes := range [][2]int{{128, 64}, {64, 128}, {64, 56}} {
		f := newFixture(t, "fw600 - firewall-drop.sh - 600\n")
		f.keeper.keeps = func(response.Block) bool { return true }
		fake := &fakePrograms{}
		f.parts = func(p *parts) { p.start = fake.start }
		f.cfg.ActiveResponse.IPv6Prefix, f.cfg.ActiveResponse.KeepOnStop = sizes[0], true
		f.begin()
		f.send("fw600 - 2001:db8:2::1")
		f.settled()
		f.end()
		f.keeper.forget()
		f.cfg.ActiveResponse.IPv6Prefix = sizes[1]
		f.begin()
		eventually(t, "the keeper is asked", func() bool { return f.keeper.last() != nil })
		if got, want := f.keeper.last()[0].Prefix, sizes[0]%128; got != want {
			t.Errorf("%v: the keeper is told of a network of %d", sizes, got)
		}
		f.send("fw600 - 2001:db8:2::1")
		f.settled()
		if s := f.d.snapshot(); s.Merged != 1 || s.Blocks != 1 {
			t.Errorf("%v: %+v", sizes, s)
		}
	}
}

// A block that goes on while its program waits for a place has its later end
// everywhere.
func TestGoesOnBeforeItIsDone(t *testing.T) {
	f := newFixture(t, "slow0 - ardump - 0\nfw600 - firewall-drop.sh - 600\n")
	f.programs("ardump")
	f.keeper.keeps = func(response.Block) bool { return true }
	fake, until := &fakePrograms{gate: make(chan struct{})}, make(chan string, 10)
	f.parts = func(p *parts) {
		p.start = func(s runner.Spec) (process, error) {
			for _, e := range s.Env {
				if value, ok := strings.CutPrefix(e, response.UntilVariable+"="); ok {
					until <- value
				}
			}
			return fake.start(s)
		}
	}
	f.cfg.ActiveResponse.RepeatedOffenders = []time.Duration{30 * time.Minute, time.Hour}
	f.cfg.ActiveResponse.Concurrency = 1
	f.begin()
	f.send("slow0 - 203.0.113.9")
	f.send("fw600 - 203.0.113.3 1 2")
	f.send("fw600 - 203.0.113.3 1 2")
	eventually(t, "both are decided", func() bool { return f.d.snapshot().Merged == 1 })
	close(fake.gate)
	f.settled()
	end := f.d.list()[0].Until
	if got, want := <-until, fmt.Sprint(end.Unix()+1); got != want {
		t.Errorf("the program is told %s, want %s", got, want)
	}
	eventually(t, "the keeper knows the end", func() bool {
		k := f.keeper.last()
		return len(k) == 1 && k[0].Until.Equal(end)
	})
}

// A program that ends after its block went on may have told the packet filter the
// earlier end, so the keeper tells the later one again.
func TestGoesOnWhileItIsDone(t *testing.T) {
	f := newFixture(t, "fw600 - firewall-drop.sh - 600\n")
	f.keeper.keeps = func(response.Block) bool { return true }
	fake := &fakePrograms{gate: make(chan struct{})}
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	f.send("fw600 - 203.0.113.3")
	eventually(t, "it runs", func() bool { return fake.count(add) == 1 })
	f.clock.pass(time.Minute)
	f.send("fw600 - 203.0.113.3")
	later := func() bool {
		k := f.keeper.last()
		return len(k) == 1 && k[0].Until.Sub(f.clock.Now()) == 600*time.Second
	}
	eventually(t, "the keeper knows the end", later)
	f.keeper.forget()
	close(fake.gate)
	eventually(t, "the keeper tells it again", later)
}

// An ar.conf that is too large is told with the reason.
func TestARConfIsTooLarge(t *testing.T) {
	f := newFixture(t, strings.Repeat("#", maxARConf+1))
	f.begin()
	if f.log.count("ar.conf can't be read: no response is known err=") != 1 {
		t.Errorf("log\n%s", f.log)
	}
}

// One ar.conf fills no log.
func TestAbsentProgramsAreNotAllTold(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "a%d - p%d - 0\n", i, i)
	}
	f := newFixture(t, b.String())
	f.begin()
	if told, more := f.log.count("not present"), f.log.count("names more programs"); told != maxAbsent || more != 1 {
		t.Errorf("%d lines, and %d that there are more", told, more)
	}
}

// An admin's own program in a folder below is not the built-in one of that name.
func TestOwnProgramInAFolder(t *testing.T) {
	for name, want := range map[string]string{"own/firewall-drop.sh": "own/firewall-drop.sh", "./firewall-drop.sh": "firewall-drop.sh"} {
		if got := kept(&blocks.Block{Program: name}, time.Time{}).Program; got != want {
			t.Errorf("%s is kept as %s", name, got)
		}
	}
	if matches(Change{Name: "foo", IP: "203.0.113.3"}, blocks.Block{Name: "123", Args: []string{"-", "203.0.113.3"}}) {
		t.Error("foo is 123")
	}
}

func TestWhiteListOfMappedNetworks(t *testing.T) {
	if p, ok := parsePrefix("::ffff:10.0.0.0/104"); !ok || p != netip.MustParsePrefix("10.0.0.0/8") {
		t.Errorf("%v, %v", p, ok)
	}
}

func TestNetworkIsNeverBlocked(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\n")
	f.programs("ardump")
	var broken atomic.Bool
	know := func(ip string) func() ([]netip.Addr, error) {
		return func() ([]netip.Addr, error) {
			if broken.Load() {
				return nil, errors.New("not now")
			}
			return []netip.Addr{netip.MustParseAddr(ip)}, nil
		}
	}
	f.parts = func(p *parts) {
		p.sources.gateways, p.sources.resolvers, p.sources.admins = know("203.0.113.1"), know("203.0.113.2"), know("203.0.113.3")
		p.sources.now = f.clock.Now
	}
	f.cfg.ActiveResponse.ProtectSSH = true
	f.begin()
	ask := func(refused int64) {
		t.Helper()
		before := f.d.snapshot().Refused
		for i := range 3 {
			f.send(fmt.Sprintf("a0 - 203.0.113.%d", i+1))
		}
		f.settled()
		if got := f.d.snapshot().Refused - before; got != refused {
			t.Errorf("%d refused, want %d\n%s", got, refused, f.log)
		}
	}
	ask(3)
	broken.Store(true)
	f.clock.pass(time.Hour)
	ask(3)
	f.cfg.ActiveResponse.ProtectSSH = false
	if err := f.d.Reload(t.Context(), &f.cfg); err != nil {
		t.Fatal(err)
	}
	ask(2)
	f.expect("ardump add - 203.0.113.3")
}

// With ipv6_prefix a built-in response is about the network: its addresses are
// one block, and nobody who must not be blocked may be within.
func TestNetworkOfIPv6(t *testing.T) {
	f := newFixture(t, "fw600 - firewall-drop.sh - 600\na600 - ardump - 600\n")
	f.programs("ardump")
	f.own = []netip.Addr{netip.MustParseAddr("2001:db8:1::1")}
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.cfg.ActiveResponse.IPv6Prefix = 64
	f.begin()
	for _, line := range []string{
		"fw600 - 2001:db8:2::1", "fw600 - 2001:db8:2::ffff", // one network
		"fw600 - 2001:db8:1::99",                         // our own
		"a600 - 2001:db8:1::99", "a600 - 2001:db8:1::98", // another's program acts on addresses
	} {
		f.send(line)
		f.settled()
	}
	want := calls("firewall-drop.sh add - 2001:db8:2::1", "ardump add - 2001:db8:1::99", "ardump add - 2001:db8:1::98")
	if got := fake.take(); !slices.Equal(got, want) {
		t.Errorf("ran %v, want %v\n%s", got, want, f.log)
	}
	if s := f.d.snapshot(); s.Merged != 1 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

// How a program ends, and what it says, is in the log and in its event.
func TestFailureIsTold(t *testing.T) {
	f := newFixture(t, "fail0 - fail - 0\n")
	f.programs("fail")
	f.begin()
	f.send("fail0 alice 203.0.113.1")
	f.settled()
	f.end()
	e := f.events.find(actBlock)
	if e == nil || *e.Process.ExitCode != 3 || e.Event.Outcome != "failure" || !strings.HasPrefix(e.HIDS.Extra["output"], "it went wrong") ||
		e.User.Name != "alice" || !strings.Contains(e.Message, "failed: it ended with exit code 3") {
		t.Errorf("event %+v", e)
	}
	if f.log.count("response failed") != 1 || f.log.count("it went wrong") != 1 {
		t.Errorf("log\n%s", f.log)
	}
}

func TestPrograms(t *testing.T) {
	f := newFixture(t, "")
	bin := f.layout.ResponseBin()
	f.programs("good", "writable", "firewall-drop.sh")
	if err := os.Chmod(filepath.Join(bin, "good"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(bin, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(f.layout.Home, "outside")
	for _, path := range []string{outside, filepath.Join(bin, "sub", "in"), filepath.Join(bin, "world")} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(t.TempDir(), "hids")
	installProgram(t, self)
	if err := os.Chmod(filepath.Join(bin, "world"), 0o757); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"out": outside, "rel": "../../outside", "inside": "sub/in", "host-deny.sh": self, "other.sh": self, "dangling": "nothing",
	} {
		if err := os.Symlink(to, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := programs{bin: bin, self: self}
	tests := map[string]string{
		"good": "runs", "/good": "runs", "sub/in": "runs", "inside": "runs",
		"firewall-drop.sh": "runs",     // an admin's own, though it has our name
		"host-deny.sh":     "built in", // a link to us
		"route-null.sh":    "built in", // not there
		"route-null":       "built in",
		"none":             "absent", "sub/route-null.sh": "absent", "dangling": "absent",
		"world": "refused", "sub": "refused", "out": "refused", "rel": "refused", "other.sh": "refused",
		"../bin/good": "refused", "sub/../good": "refused", "..": "refused", "": "refused", "/": "refused",
	}
	for name, want := range tests {
		prog, err := p.find(name)
		got := "runs"
		switch {
		case err == nil && prog.builtIn:
			got = "built in"
		case os.IsNotExist(err) || strings.Contains(fmt.Sprint(err), "no such file"):
			got = "absent"
		case err != nil:
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: %s (%v), want %s", name, got, err, want)
		}
		if got == "built in" && (prog.exec != self || prog.path != bin+"/"+name) {
			t.Errorf("%q: %+v", name, prog)
		}
	}
}

func TestARConfChanges(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\r\nb0 - none.sh - 0\r\n")
	f.programs("ardump", "ardump2")
	f.begin()
	ask := func(want ...string) {
		t.Helper()
		f.send("a0 - 203.0.113.1")
		f.expect(want...)
	}
	ask("ardump add - 203.0.113.1")
	f.arConf("a0 - ardump2 - 0\n")
	ask("ardump2 add - 203.0.113.1")
	f.arConf("") // agentd gets its files anew
	ask("ardump2 add - 203.0.113.1")
	if err := os.Remove(f.layout.ARConf()); err != nil {
		t.Fatal(err)
	}
	ask("ardump2 add - 203.0.113.1")
	// Somebody puts a FIFO there, to stop us.
	if err := mkfifo(f.layout.ARConf()); err != nil {
		t.Fatal(err)
	}
	ask("ardump2 add - 203.0.113.1")
	f.arConf("a0 - ardump - 0\nb0 - none.sh - 0\n")
	ask("ardump add - 203.0.113.1")
	for range 3 {
		f.send("b0 - 203.0.113.1")
	}
	f.settled()
	if n := f.log.count("none.sh'. Not using it"); n != 1 {
		t.Errorf("a missing program is said %d times", n)
	}
}

// A change is noticed without a request, so that its faults are said at once.
func TestARConfIsWatched(t *testing.T) {
	f := newFixture(t, "")
	f.begin()
	f.arConf("nonsense\n")
	eventually(t, "the fault is said", func() bool { return f.log.count("(1313)") == 1 })
}

func TestBigARConf(t *testing.T) {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, "a%d - ardump - 0\n", i)
	}
	f := newFixture(t, b.String())
	f.programs("ardump")
	f.begin()
	f.send("a19999 - 203.0.113.1")
	f.expect("ardump add - 203.0.113.1")
}

func TestRequestsAtOnce(t *testing.T) {
	const senders, each = 8, 1250
	f := newFixture(t, "a60 - /nonexistent/but/never/run - 60\nb60 - ardump - 60\n")
	f.programs("ardump")
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.cfg.ActiveResponse.Concurrency = 8
	f.begin()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			c, err := net.Dial("unixgram", f.layout.ExecQueue())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range each {
				if _, err := fmt.Fprintf(c, "b60 - 10.%d.%d.%d 1.1 5 x\x00", s, i/200, i%200); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	f.sent = senders * each
	f.settled()
	s := f.d.snapshot()
	if s.Received != f.sent || s.Accepted+s.Merged+s.Refused+s.Overload != f.sent {
		t.Errorf("%+v", s)
	}
	if fake.most.Load() > 8 {
		t.Errorf("%d programs at once", fake.most.Load())
	}
	if got := fake.count("add"); int64(got) != s.Accepted {
		t.Errorf("%d run of %d accepted", got, s.Accepted)
	}
	f.pass(time.Hour)
	if got := fake.count("delete"); int64(got) != s.Accepted {
		t.Errorf("%d undone of %d", got, s.Accepted)
	}
	f.d.lanes.mu.Lock()
	defer f.d.lanes.mu.Unlock()
	if l := f.d.lanes; len(l.byKey) != 0 || l.bytes != 0 || l.do.jobs != nil || l.undo.jobs != nil {
		t.Errorf("something is left of them: %+v", l)
	}
}

// What waits in memory, as all does where none can wait on disk, has a limit, and
// beyond it requests are refused and counted while the receiver goes on.
func TestOverload(t *testing.T) {
	f := newFixture(t, "a0 - ardump - 0\n")
	f.programs("ardump")
	fake := &fakePrograms{gate: make(chan struct{})}
	f.parts = func(p *parts) {
		p.start = fake.start
		p.queue = func(string) (requestQueue, error) { return nil, errors.New("disk full") }
	}
	f.cfg.ActiveResponse.Concurrency = 2
	f.begin()
	f.d.lanes.mu.Lock()
	f.d.lanes.most = 100
	f.d.lanes.mu.Unlock()
	for i := range 1000 {
		f.send(fmt.Sprintf("a0 - 10.0.%d.%d", i/250, i%250))
	}
	eventually(t, "all are decided on, some are refused", func() bool {
		s := f.d.snapshot()
		return s.Overload > 0 && s.Overload+s.Accepted == f.sent && s.Waiting <= 100+maxBatch
	})
	close(fake.gate)
	f.settled()
	if s := f.d.snapshot(); s.Started != s.Accepted {
		t.Errorf("%+v", s)
	}
}

// A program that hangs holds up nobody else, and is ended at its deadline.
func TestHungProgram(t *testing.T) {
	f := newFixture(t, "hang0 - hang - 0\ngate0 - gate - 0\na0 - ardump - 0\n")
	f.programs("hang", "gate", "ardump")
	f.begin()
	f.send("gate0 - 203.0.113.1") // it hangs until the test lets it go
	eventually(t, "it runs", func() bool { return f.d.snapshot().Running == 1 })
	for range 3 {
		f.send("a0 - 203.0.113.1")
	}
	eventually(t, "the others have run", func() bool { s := f.d.snapshot(); return s.Started == 4 && s.Running == 1 })
	if err := os.WriteFile(f.layout.Join("gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.settled()
	if s := f.d.snapshot(); s.TimedOut != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	f.runs()

	f.cfg.ActiveResponse.Deadline = 500 * time.Millisecond
	if err := f.d.Reload(t.Context(), &f.cfg); err != nil {
		t.Fatal(err)
	}
	f.send("hang0 - 203.0.113.1")
	f.settled()
	for _, r := range f.reports() { // on a busy machine it may not have come to writing one
		if err := syscall.Kill(r.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", r.PID, err)
		}
	}
	if s := f.d.snapshot(); s.TimedOut != 1 || s.Started != 5 {
		t.Errorf("%+v", s)
	}
	f.end()
	if e := f.events.find(actFail); e == nil || !strings.Contains(e.Event.Reason, "deadline") {
		t.Errorf("event %+v", e)
	}
}

// Whoever sets the clock, forward or back, ends no block early or late, and the
// list tells its end by the clock as it is then.
func TestClockStep(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\n")
	f.programs("ardump")
	f.begin()
	f.send("a60 - 203.0.113.1")
	f.expect("ardump add - 203.0.113.1")
	const year = 365 * 24 * time.Hour
	for _, step := range []time.Duration{year, -2 * year, time.Hour} {
		f.clock.step(step)
		f.pass(10 * time.Second)
	}
	f.expect()
	if left := f.d.list()[0].Until.Sub(f.clock.Now()); left != 30*time.Second {
		t.Errorf("listed as ending in %v", left)
	}
	f.pass(30*time.Second - 1)
	f.expect()
	f.pass(1)
	f.expect("ardump delete - 203.0.113.1")
}

// A delete never overtakes its add, and an undoing has a place even when all
// others are taken by programs that hang.
func TestOrderWithinABlock(t *testing.T) {
	f := newFixture(t, "slow-1 - gate - -1\nhang0 - gate2 - 0\na60 - ardump - 60\n")
	f.programs("gate", "gate2", "ardump")
	f.cfg.ActiveResponse.Concurrency = 2
	f.begin()
	f.send("a60 - 203.0.113.2")
	f.expect("ardump add - 203.0.113.2")
	f.send("slow-1 - 203.0.113.1") // its delete is due at once
	f.send("hang0 - 203.0.113.1")
	eventually(t, "both places are taken", func() bool { return f.d.snapshot().Started == 3 })
	f.clock.pass(time.Minute)
	f.d.rearm()
	eventually(t, "it is undone", func() bool { return f.d.snapshot().Undone == 1 })
	if err := os.WriteFile(f.layout.Join("gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.settled()
	got := f.runs()
	slow := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasPrefix(s, `["gate" `) })
	if !slices.Equal(slow, calls("gate add - 203.0.113.1", "gate delete - 203.0.113.1")) {
		t.Errorf("programs ran %v", got)
	}
}

func TestKeptAtStop(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\n")
	f.programs("ardump")
	f.cfg.ActiveResponse.KeepOnStop = true
	f.begin()
	f.send("a60 - 203.0.113.1")
	f.expect("ardump add - 203.0.113.1")
	f.end()
	f.expect()
	f.clock.pass(10 * time.Second)
	f.begin()
	f.pass(49 * time.Second)
	f.expect()
	f.pass(time.Second)
	f.expect("ardump delete - 203.0.113.1")
}

// A block that is kept at a stop, before its program had its turn, was not refused:
// the next execd starts it.
func TestKeptBeforeItsTurn(t *testing.T) {
	f, fake := crowded(t, "a600 - ardump - 600\n")
	f.keepOnStop()
	f.flood("a600", 3) // one runs and two wait
	eventually(t, "one runs", func() bool { return fake.count(add) == 1 })
	f.end()
	if f.events.find(actRefuse) != nil {
		t.Errorf("log\n%s", f.log)
	}
	close(fake.gate)
	f.begin()
	f.settled()
	if n := fake.count(add); n != 3 {
		t.Errorf("%d ran", n)
	}
}

// waitToBeUndone has a program that runs, and behind it one that waits for a place and
// its undoing.
func (f *fixture) waitToBeUndone(fake *fakePrograms) {
	f.t.Helper()
	f.flood("a600", 2)
	eventually(f.t, "one runs", func() bool { return fake.count(add) == 1 })
	if _, err := f.d.endByHand(Change{IP: "10.9.0.1"}, "operator"); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, "its undoing waits", func() bool { _, waiting := f.d.lanes.count(); return waiting == 2 })
}

// What undoes and waits behind what is refused at a stop is run.
func TestStopRunsWhatUndoes(t *testing.T) {
	f, fake := crowded(t, "a600 - ardump - 600\n")
	f.waitToBeUndone(fake)
	f.stop()
	eventually(t, "it runs", func() bool { return fake.count(remove) == 1 })
	close(fake.gate)
	f.end()
	if n, left := fake.count(remove), f.d.snapshot().Blocks; n != 2 || left != 0 {
		t.Errorf("%d are undone, %d are left", n, left)
	}
}

// A stop that keeps blocks begins no undoing, which nobody would see to its end. A
// request that never had its turn and whose block is over is told of.
func TestKeepingUndoesNothing(t *testing.T) {
	f, fake := crowded(t, "a600 - ardump - 600\n")
	f.keepOnStop()
	f.waitToBeUndone(fake)
	f.end()
	if n := fake.count(remove); n != 0 {
		t.Errorf("%d undoings begun", n)
	}
	if f.events.find(actRefuse) == nil {
		t.Error("nobody is told of the request that never had its turn")
	}
	close(fake.gate)
	f.begin()
	f.settled()
	if n := fake.count(remove); n != 1 {
		t.Errorf("%d are undone by the next execd", n)
	}
}

// After a reboot the programs of others undo and do again; what has a keeper is
// the keeper's; what has run out meanwhile is undone.
func TestReboot(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\nb600 - ardump2 - 600\nfw600 - firewall-drop.sh - 600\n")
	f.programs("ardump", "ardump2")
	f.cfg.ActiveResponse.KeepOnStop = true
	f.keeper.keeps = func(b response.Block) bool { return b.Program == "firewall-drop.sh" }
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	for _, line := range []string{"a60 - 203.0.113.1", "b600 - 203.0.113.1", "fw600 - 203.0.113.3"} {
		f.send(line)
		f.settled()
	}
	f.end()
	f.clock.reboot(2 * time.Minute)
	fake.take()
	f.begin()
	f.pass(0)
	want := calls("ardump delete - 203.0.113.1", "ardump2 delete - 203.0.113.1", "ardump2 add - 203.0.113.1")
	got := fake.take()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("after the reboot\n%s", strings.Join(got, "\n"))
	}
	eventually(t, "the keeper is asked", func() bool { return len(f.keeper.last()) == 1 })
	if k := f.keeper.last()[0]; k.IP != "203.0.113.3" || k.Until.Sub(f.clock.Now()) != 480*time.Second {
		t.Errorf("keeper got %+v", k)
	}
}

// The packet filter drops an element at its end by itself, so it must be told
// when a block goes on, and of that block alone: there may be thousands.
func TestKeeperHearsOfExtensions(t *testing.T) {
	f := newFixture(t, "fw600 - firewall-drop.sh - 600\n")
	f.keeper.keeps = func(response.Block) bool { return true }
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	f.send("fw600 - 203.0.113.3")
	f.send("fw600 - 203.0.113.4")
	f.settled()
	f.clock.pass(time.Minute)
	f.send("fw600 - 203.0.113.4")
	f.settled()
	eventually(t, "the keeper knows the new end", func() bool {
		k := f.keeper.last()
		if len(k) == 2 { // it looked at all, as it does at the start, after the block went on
			f.send("fw600 - 203.0.113.4")
			f.settled()
		}
		return len(k) == 1 && k[0].IP == "203.0.113.4" && k[0].Until.Sub(f.clock.Now()) == 600*time.Second
	})
}

// When more blocks go on than can be remembered one by one, all are looked at.
func TestKeeperHearsOfManyExtensions(t *testing.T) {
	f := newFixture(t, "")
	f.begin()
	f.end() // nobody takes what follows
	for i := range cap(f.d.renew) {
		f.d.renewEnd(&blocks.Block{ID: uint64(i + 1)})
	}
	if ids := f.d.renewed(<-f.d.renew); len(ids) != cap(f.d.renew) {
		t.Errorf("%d remembered", len(ids))
	}
	for i := range cap(f.d.renew) + 1 {
		f.d.renewEnd(&blocks.Block{ID: uint64(i + 1)})
	}
	if ids := f.d.renewed(<-f.d.renew); ids != nil {
		t.Errorf("only %d of more are looked at", len(ids))
	}
}

// A built-in response says whether it worked: one that did not is undone and
// forgotten, so that the next request tries again; undoing is repeated until it
// works.
func TestBuiltInFails(t *testing.T) {
	f := newFixture(t, "fw600 - firewall-drop.sh - 600\n")
	fake := &fakePrograms{}
	fake.exit.Store(1)
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	f.send("fw600 - 203.0.113.3")
	f.pass(0)
	if got := fake.take(); !slices.Equal(got, calls("firewall-drop.sh add - 203.0.113.3", "firewall-drop.sh delete - 203.0.113.3")) {
		t.Fatalf("ran %v", got)
	}
	fake.exit.Store(0)
	f.send("fw600 - 203.0.113.3") // waits for nothing: the old block is ending
	f.settled()
	f.pass(time.Minute)
	got := fake.take()
	if !slices.Equal(got, calls("firewall-drop.sh add - 203.0.113.3", "firewall-drop.sh delete - 203.0.113.3")) {
		t.Errorf("ran %v", got)
	}
}

func TestStopUndoesInOrder(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\nfail60 - fail - 60\n")
	f.programs("ardump", "fail")
	f.begin()
	var want []string
	for i := range 5 {
		ip := fmt.Sprintf("203.0.113.%d", 100-i)
		f.send("a60 - " + ip)
		f.settled()
		want = append(want, "ardump delete - "+ip)
	}
	f.send("fail60 - 203.0.113.1")
	f.settled()
	f.runs()
	f.end()
	f.expect(append(want, "fail delete - 203.0.113.1")...)
	if f.log.count("(1314): INFO: Shutdown received. Deleting responses.") != 1 || f.log.count("(1225): INFO: SIGNAL Received. Exit Cleaning...") != 1 {
		t.Errorf("log\n%s", f.log)
	}
	f.begin()
	f.pass(time.Hour)
	f.expect()
}

// A stop soon after a reboot finds blocks whose programs have not been started in
// this boot. What they changed may still be there, in a file, so it is undone.
func TestStopSoonAfterReboot(t *testing.T) {
	f := newFixture(t, "deny600 - host-deny.sh - 600\n")
	f.cfg.ActiveResponse.KeepOnStop = true
	fake := &fakePrograms{}
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	f.send("deny600 - 203.0.113.1")
	f.send("deny600 - 203.0.113.2")
	f.settled()
	f.end()
	f.clock.reboot(time.Minute)
	f.cfg.ActiveResponse.KeepOnStop, f.cfg.ActiveResponse.Concurrency = false, 1
	fake = &fakePrograms{gate: make(chan struct{})}
	f.begin() // one is put back, and does not end; the other waits for its place
	eventually(t, "one runs", func() bool { return fake.count(add) == 1 })
	f.stop()
	eventually(t, "the one that waits is undone", func() bool { return fake.count(remove) == 1 })
	close(fake.gate)
	f.end()
	if got := fake.take(); len(got) != 3 || fake.running.Load() != 0 {
		t.Errorf("ran %v", got)
	}
	if f.d.store.Len() != 0 {
		t.Errorf("%d blocks are left", f.d.store.Len())
	}
}

// What is remembered of names whose program is not there is small, however long
// they are.
func TestRememberedNamesAreShort(t *testing.T) {
	long := strings.Repeat("x", 5000)
	f := newFixture(t, long+" - nosuch - 0\n")
	f.begin()
	for range 3 {
		f.send(long + " - 203.0.113.1")
	}
	f.settled()
	if n := f.log.count("response is not on this system"); n != 1 {
		t.Errorf("said %d times", n)
	}
	f.d.table.mu.Lock()
	defer f.d.table.mu.Unlock()
	for what := range f.d.table.said {
		if len(what) > 1024 {
			t.Errorf("%d bytes are remembered", len(what))
		}
	}
}

// A larger concurrency starts those who wait at once.
func TestMorePlaces(t *testing.T) {
	f, fake := crowded(t, "a0 - ardump - 0\n")
	f.flood("a0", 3)
	cfg := f.cfg
	cfg.ActiveResponse.Concurrency = 2
	if err := f.d.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a second one runs", func() bool { return fake.running.Load() == 2 })
	close(fake.gate)
	f.settled()
}

// What an operator asks for while execd stops is refused, and he is told.
func TestOperatorDuringTheStop(t *testing.T) {
	f := newFixture(t, "a600 - ardump - 600\n")
	f.programs("ardump")
	fake := &fakePrograms{gate: make(chan struct{})}
	f.parts = func(p *parts) { p.start = fake.start }
	f.begin()
	f.send("a600 - 203.0.113.1")
	eventually(t, "it runs", func() bool { return fake.count(add) == 1 })
	f.stop() // waits for it
	eventually(t, "execd stops", func() bool { return f.log.count("Shutdown received") == 1 })
	out, err := f.d.addByHand(Change{Name: "a600", IP: "203.0.113.2"}, "operator")
	if err != nil || out.Action != actRefuse || out.Reason == "" {
		t.Errorf("%+v, %v", out, err)
	}
	close(fake.gate)
	f.end()
	if n := f.d.store.Len(); n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}

func TestReload(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\n")
	f.programs("ardump")
	f.begin()
	cfg := f.cfg
	cfg.ActiveResponse.WhiteList = []string{"203.0.113.1"}
	cfg.ActiveResponse.RepeatedOffenders = []time.Duration{time.Minute, 0, time.Hour}
	if err := f.d.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	f.send("a60 - 203.0.113.1")
	f.expect()
	if f.log.count("Adding offenders timeout: 1 (for #1)") != 1 || f.log.count("(for #2)") != 0 {
		t.Errorf("log\n%s", f.log)
	}
}

func TestSenders(t *testing.T) {
	r := senderRules{
		owner: execq.Owner{UID: 100, GID: 200},
		groups: func(pid int) ([]uint32, error) {
			return parseGroups(fmt.Sprintf("Name:\tx\nGroups:\t%d 7 \n", pid)), nil
		},
	}
	tests := map[execq.Sender]bool{
		{}:                                       true, // no credentials: the socket's mode has decided
		{Known: true, PID: 1, UID: 0, GID: 0}:    true,
		{Known: true, PID: 1, UID: 100, GID: 5}:  true,
		{Known: true, PID: 1, UID: 5, GID: 200}:  true,
		{Known: true, PID: 200, UID: 5, GID: 5}:  true, // a supplementary group
		{Known: true, PID: 1, UID: 5, GID: 5}:    false,
		{Known: true, PID: 7, UID: 1000, GID: 7}: false,
	}
	for s, want := range tests {
		if got := r.allow(s); got != want {
			t.Errorf("%+v: %v", s, got)
		}
	}
}

// A disk that can't be used lets no attacker in: responses run, are undone, and
// it is said.
func TestNoState(t *testing.T) {
	f := newFixture(t, "a60 - ardump - 60\n")
	f.programs("ardump")
	if err := os.WriteFile(f.layout.State("execd"), nil, 0o600); err != nil { // where the folder should be
		t.Fatal(err)
	}
	f.begin()
	for range 3 {
		f.send("a60 - 203.0.113.1")
		f.settled()
	}
	f.pass(time.Minute)
	f.expect("ardump add - 203.0.113.1", "ardump delete - 203.0.113.1")
	if n := f.log.count("journal of blocks can't be written"); n != 1 || f.d.snapshot().Unsaved == 0 {
		t.Errorf("said %d times\n%s", n, f.log)
	}
}
