// SPDX-License-Identifier: Apache-2.0

// Package netnstest gives tests two or three hosts that can really talk to each
// other: network namespaces joined by veth pairs. What a test does in one of
// them runs in another process that is in there whole, the test binary again in
// a role, so no goroutine ever is in the wrong namespace. Only tests import it.
package netnstest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"hids/internal/testenv"
)

// Patience is how long a condition that must come true may take on a busy
// machine.
const Patience = 60 * time.Second

// glance is how long a dial that should be blocked is given to get through. A
// block that holds is never reported missing, however slow the machine is.
const glance = 700 * time.Millisecond

const roleVariable = "HIDS_NETNS_ROLE"

// Role is what the test binary does when it runs again in a namespace. Those
// that Do runs get no input.
type Role func(args []string, stdin *bufio.Reader, stdout io.Writer) error

// Main runs the tests, or the role this process was started for. Call it from
// TestMain.
func Main(m *testing.M, roles map[string]Role) int {
	name := os.Getenv(roleVariable)
	if name == "" {
		return m.Run()
	}
	all := builtInRoles()
	maps.Copy(all, roles)
	all["agent"] = agent(all)
	if err := all.do(name, os.Args[1:], bufio.NewReader(os.Stdin), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Net is a victim and an attacker on one link. Both have an address .1 and .2
// (::1 and ::2); the attacker has .3 and ::3 too.
type Net struct {
	t                testing.TB
	Victim, Attacker string // the namespaces' names
	to4, to6         string // what the attacker dials

	agents map[string]*Talker // by namespace
}

// New makes a Net that is removed when the test ends. It leaves the test out
// where that is not possible.
func New(t testing.TB) *Net {
	t.Helper()
	testenv.Root(t)
	if _, err := exec.LookPath("ip"); err != nil {
		testenv.Skip(t, "needs ip (package iproute2)")
	}
	suffix := strings.ToLower(rand.Text()[:10])
	n := &Net{t: t, Victim: "hidsv" + suffix, Attacker: "hidsa" + suffix, to4: V4("1"), to6: V6("1"),
		agents: map[string]*Talker{}}
	n.add(n.Victim)
	n.add(n.Attacker)
	n.ip("link", "add", "eth0", "netns", n.Victim, "type", "veth", "peer", "name", "eth0", "netns", n.Attacker)
	n.up(n.Victim, "1")
	n.up(n.Attacker, "2", "3")
	return n
}

func (n *Net) add(ns string) {
	n.t.Helper()
	if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
		testenv.Skip(n.t, fmt.Sprintf("needs network namespaces: %v: %s", err, out))
	}
	n.t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", ns).Run() })
}

// Router puts a host behind the victim and returns a Net whose attacker talks
// to that host, through the victim.
func (n *Net) Router() *Net {
	n.t.Helper()
	inner := "hidsi" + strings.TrimPrefix(n.Victim, "hidsv")
	n.add(inner)
	n.ip("-n", inner, "link", "set", "lo", "up")
	n.ip("link", "add", "eth1", "netns", n.Victim, "type", "veth", "peer", "name", "eth0", "netns", inner)
	for _, x := range [][3]string{{n.Victim, "eth1", "1"}, {inner, "eth0", "2"}} {
		n.ip("-n", x[0], "link", "set", x[1], "up")
		n.ip("-n", x[0], "address", "add", "10.98.0."+x[2]+"/24", "dev", x[1])
		n.ip("-n", x[0], "address", "add", "fd98::"+x[2]+"/64", "dev", x[1], "nodad")
	}
	for _, x := range [][3]string{{inner, "10.98.0.1", "fd98::1"}, {n.Attacker, V4("1"), V6("1")}} {
		n.ip("-n", x[0], "route", "add", "default", "via", x[1])
		n.ip("-n", x[0], "-6", "route", "add", "default", "via", x[2])
	}
	const forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
	if out, err := n.Exec(n.Victim, "sh", "-ec", forward).CombinedOutput(); err != nil {
		testenv.Skip(n.t, fmt.Sprintf("needs to forward packets in a namespace: %v: %s", err, out))
	}
	n.Start(inner, "serve").Expect("ready")
	router := *n
	router.to4, router.to6 = "10.98.0.2", "fd98::2"
	return &router
}

func (n *Net) up(ns string, hosts ...string) {
	n.ip("-n", ns, "link", "set", "lo", "up")
	n.ip("-n", ns, "link", "set", "eth0", "up")
	for _, host := range hosts {
		n.ip("-n", ns, "address", "add", V4(host)+"/24", "dev", "eth0")
		n.ip("-n", ns, "address", "add", V6(host)+"/64", "dev", "eth0", "nodad")
	}
}

// V4 and V6 are the addresses of a host number.
func V4(host string) string { return "10.99.0." + host }

// V6 is the IPv6 address of a host number.
func V6(host string) string { return "fd99::" + host }

func (n *Net) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// Exec returns a command that will run in a namespace.
func (n *Net) Exec(ns string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(n.t.Context(), "ip", append([]string{"netns", "exec", ns}, argv...)...)
	cmd.WaitDelay = Patience
	return cmd
}

// Role returns a command that will do a role in a namespace.
func (n *Net) Role(ns, role string, args ...string) *exec.Cmd {
	cmd := n.Exec(ns, append([]string{"/proc/self/exe"}, args...)...)
	exe, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Args[4] = exe
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// Do does a role to its end and returns what it printed.
func (n *Net) Do(ns, role string, args ...string) string {
	n.t.Helper()
	out, err := n.Try(ns, role, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// Try is Do for roles that may fail. All of a namespace are done by one
// process, one after the other.
func (n *Net) Try(ns, role string, args ...string) (string, error) {
	n.t.Helper()
	if n.agents[ns] == nil {
		n.agents[ns] = n.Start(ns, "agent")
	}
	request, err := json.Marshal(request{role, args})
	if err != nil {
		n.t.Fatal(err)
	}
	n.agents[ns].Say(string(request))
	var r reply
	if err := json.Unmarshal([]byte(n.agents[ns].hear(2*Patience)), &r); err != nil {
		n.t.Fatalf("%s %v: %v", role, args, err)
	}
	if r.Fault != "" {
		return r.Out, fmt.Errorf("%s %v: %s", role, args, r.Fault)
	}
	return r.Out, nil
}

// TryAlone is Try in a new process; it may be called by several goroutines.
func (n *Net) TryAlone(ns, role string, args ...string) (string, error) {
	cmd := n.Role(ns, role, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %v: %w: %s", role, args, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// Serve makes the victim answer on its port, for both families, until the test
// ends.
func (n *Net) Serve() {
	n.t.Helper()
	n.Start(n.Victim, "serve").Expect("ready")
}

// Talker is a running role that is spoken with line by line.
type Talker struct {
	t     testing.TB
	role  string
	stdin io.WriteCloser
	lines <-chan string
	wait  func() error
}

// Start starts a role; it is ended with the test.
func (n *Net) Start(ns, role string, args ...string) *Talker {
	n.t.Helper()
	cmd := n.Role(ns, role, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	talker := &Talker{t: n.t, role: role, stdin: stdin, lines: lines, wait: cmd.Wait}
	n.t.Cleanup(func() { talker.End() })
	return talker
}

// Say writes a line to the role.
func (k *Talker) Say(line string) {
	k.t.Helper()
	if _, err := io.WriteString(k.stdin, line+"\n"); err != nil {
		k.t.Fatalf("%s: %v", k.role, err)
	}
}

// Expect waits for the role's next line, which must be this one.
func (k *Talker) Expect(line string) {
	k.t.Helper()
	if got := k.hear(Patience); got != line {
		k.t.Fatalf("%s said %q, want %q", k.role, got, line)
	}
}

// hear waits for the role's next line.
func (k *Talker) hear(patience time.Duration) string {
	k.t.Helper()
	select {
	case line, ok := <-k.lines:
		if !ok {
			k.t.Fatalf("%s has ended", k.role)
		}
		return line
	case <-time.After(patience):
		k.t.Fatalf("%s says nothing", k.role)
	}
	return ""
}

// End closes the role's standard input, upon which it ends, and returns the
// lines that were not expected.
func (k *Talker) End() []string {
	_ = k.stdin.Close()
	var rest []string
	for line := range k.lines {
		rest = append(rest, line)
	}
	_ = k.wait()
	return rest
}

// Hold starts a standing connection from an address. Each line said to it is a
// number of milliseconds; it answers echo, or silence when a byte did not get
// there and back in that time.
func (n *Net) Hold(from string) *Talker {
	n.t.Helper()
	k := n.Start(n.Attacker, "hold", n.to4, n.to6, from)
	k.Expect("connected")
	return k
}

// Open waits until the attacker gets through to the victim's port from each of
// these addresses of its own.
func (n *Net) Open(from ...string) { n.t.Helper(); n.demand("open", Patience, from) }

// Blocked demands that the attacker gets through from none of them.
func (n *Net) Blocked(from ...string) { n.t.Helper(); n.demand("blocked", glance, from) }

// Closes waits until the attacker gets through from none of these addresses.
func (n *Net) Closes(from ...string) {
	n.t.Helper()
	want := strings.Repeat("blocked\n", len(from))
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		if n.dial(glance, from) == want {
			return
		}
	}
	n.t.Fatalf("from %v: still open", from)
}

func (n *Net) demand(verdict string, wait time.Duration, from []string) {
	n.t.Helper()
	want := strings.Repeat(verdict+"\n", len(from))
	if out := n.dial(wait, from); out != want {
		n.t.Fatalf("from %v: %q, want %q", from, out, want)
	}
}

func (n *Net) dial(wait time.Duration, from []string) string {
	n.t.Helper()
	args := []string{strconv.Itoa(int(wait.Milliseconds())), n.to4, n.to6}
	return n.Do(n.Attacker, "dial", append(args, from...)...)
}
