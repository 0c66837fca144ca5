// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hids/internal/netnstest"
	"hids/internal/testenv"
	"hids/platform/command"
)

func TestMain(m *testing.M) {
	os.Exit(netnstest.Main(m, map[string]netnstest.Role{
		"block": roleBlock, "unblock": roleUnblock, "ensure": roleEnsure, "list": roleList, "watch": roleWatch,
	}))
}

// The roles' first two arguments are the packet filter and the lock file.
func open(args []string) (*Firewall, []string, error) {
	fw, err := Open(context.Background(), Options{Run: command.Run, Backend: args[0], Lock: args[1]})
	return fw, args[2:], err
}

// block ADDRESS BITS SECONDS: SECONDS from now it ends; 0: never.
func roleBlock(args []string, _ *bufio.Reader, _ io.Writer) error {
	fw, args, err := open(args)
	if err != nil {
		return err
	}
	want, err := parseWant(args)
	if err != nil {
		return err
	}
	return fw.Block(context.Background(), want.Addr, want.Bits, want.Until)
}

func parseWant(args []string) (Want, error) {
	addr, err := netip.ParseAddr(args[0])
	bits, err2 := strconv.Atoi(args[1])
	seconds, err3 := strconv.Atoi(args[2])
	w := Want{Addr: addr, Bits: bits}
	if seconds != 0 {
		w.Until = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	return w, errors.Join(err, err2, err3)
}

func roleUnblock(args []string, _ *bufio.Reader, _ io.Writer) error {
	fw, args, err := open(args)
	if err != nil {
		return err
	}
	return fw.Unblock(context.Background(), netip.MustParseAddr(args[0]))
}

// ensure ADDRESS BITS SECONDS …
func roleEnsure(args []string, _ *bufio.Reader, stdout io.Writer) error {
	fw, args, err := open(args)
	if err != nil {
		return err
	}
	var wants []Want
	for ; len(args) >= 3; args = args[3:] {
		w, err := parseWant(args)
		if err != nil {
			return err
		}
		wants = append(wants, w)
	}
	changed, err := fw.Ensure(context.Background(), wants)
	fmt.Fprintln(stdout, changed)
	return err
}

func roleList(args []string, _ *bufio.Reader, stdout io.Writer) error {
	fw, _, err := open(args)
	if err != nil {
		return err
	}
	blocks, err := fw.List(context.Background())
	for _, b := range blocks {
		fmt.Fprintln(stdout, b.Net)
	}
	return err
}

func roleWatch(_ []string, stdin *bufio.Reader, stdout io.Writer) error {
	w, err := Watch(context.Background())
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "watching")
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		w.Close()
	}()
	for range w.Lost() {
		fmt.Fprintln(stdout, "lost")
	}
	return nil
}

// site is a Net whose victim has one packet filter.
type site struct {
	*netnstest.Net
	t    *testing.T
	args []string
}

func newSite(t *testing.T, backend string) site {
	t.Parallel()
	s := site{Net: netnstest.New(t), t: t, args: []string{backend, filepath.Join(t.TempDir(), "lock")}}
	s.Serve()
	return s
}

func (s site) do(role string, args ...string) string {
	s.t.Helper()
	return s.Do(s.Victim, role, append(s.args[:2:2], args...)...)
}

func (s site) block(addrs ...string) {
	s.t.Helper()
	for _, addr := range addrs {
		s.do("block", addr, "0", "600")
	}
}

func (s site) unblock(addrs ...string) {
	s.t.Helper()
	for _, addr := range addrs {
		s.do("unblock", addr)
	}
}

// backends are those a kernel can really be asked about.
func backends(t *testing.T) []string {
	t.Helper()
	usable := []string{"nftables"}
	if _, err := exec.LookPath("iptables"); err != nil {
		testenv.Skip(t, "needs iptables")
	}
	return append(usable, "iptables")
}

var (
	v4, other4 = netnstest.V4("2"), netnstest.V4("3")
	v6, other6 = netnstest.V6("2"), netnstest.V6("3")
)

// Two blocks at once, in both families; ending one leaves the other.
func TestBlockAndUnblock(t *testing.T) {
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			s.Open(v4, v6)
			s.block(v4, v6)
			s.block(v4, v6) // again: nothing to do
			s.Blocked(v4, v6)
			s.Open(other4, other6)
			s.block(other4, other6)
			s.Blocked(other4, other6)
			s.unblock(v4, v6)
			s.unblock(v4, v6)
			s.Open(v4, v6)
			s.Blocked(other4, other6)
			if got, want := s.do("list"), other4+"/32\n"+other6+"/128\n"; got != want {
				t.Errorf("still blocked:\n%swant:\n%s", got, want)
			}
		})
	}
}

// A rule that accepts what is established, as most rulesets have first, does
// not keep a standing connection alive.
func TestStandingConnectionIsCut(t *testing.T) {
	accept := map[string][]string{
		"nftables": {"nft", "add table inet filter; add chain inet filter input " +
			"{ type filter hook input priority 0; policy accept; }; " +
			"add rule inet filter input ct state established,related accept"},
		"iptables": {"iptables", "-I", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"},
	}
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			if out, err := s.Exec(s.Victim, accept[backend]...).CombinedOutput(); err != nil {
				testenv.Skip(t, fmt.Sprintf("needs %s: %v: %s", accept[backend][0], err, out))
			}
			standing := s.Hold(v4)
			standing.Say("60000")
			standing.Expect("echo")
			s.block(v4)
			standing.Say("700")
			standing.Expect("silence")
			s.do("unblock", v4)
			standing.Say("60000") // nothing but the block was in its way
			standing.Expect("echo")
		})
	}
}

// The kernel ends a block by itself, and a second request moves the end.
func TestKernelEndsBlock(t *testing.T) {
	s := newSite(t, "nftables")
	s.block(v4, v6)
	s.Blocked(v4, v6)
	s.do("block", v4, "0", "-59") // its time was over 59 s ago
	s.do("block", v6, "0", "-59")
	s.Open(v4, v6)
	if got := s.do("list"); got != "" {
		t.Errorf("still listed: %s", got)
	}
	s.unblock(v4) // gone already
}

func TestSlash64(t *testing.T) {
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			s.do("block", v6, "64", "600")
			s.Blocked(other6)
			s.do("block", other6, "64", "600")
			s.do("unblock", v6)
			s.Blocked(v6) // its network is still blocked, for the other
			s.do("unblock", other6)
			s.Open(v6, other6)
		})
	}
}

// Responses run as fast as alerts come; all of them must hold.
func TestConcurrentBlocks(t *testing.T) {
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			var wg sync.WaitGroup
			faults := make(chan error, 8)
			for i := range cap(faults) {
				wg.Go(func() {
					addr := fmt.Sprintf("192.0.2.%d", i/2) // each twice
					_, err := s.TryAlone(s.Victim, "block", append(s.args[:2:2], addr, "0", "600")...)
					faults <- err
				})
			}
			wg.Wait()
			close(faults)
			for err := range faults {
				if err != nil {
					t.Error(err)
				}
			}
			if got := strings.Fields(s.do("list")); len(got) != 4 {
				t.Errorf("blocked: %v, want the four addresses once each", got)
			}
		})
	}
}

// Whoever reloads a ruleset throws ours away too; it is noticed and put back.
func TestWatchAndEnsure(t *testing.T) {
	s := newSite(t, "nftables")
	w := s.Start(s.Victim, "watch")
	w.Expect("watching")
	s.block(v4, v6)
	s.unblock(v6)
	s.nft("add table inet other; delete table inet other")
	if rest := w.End(); len(rest) > 0 {
		t.Fatalf("own changes, or those of another, were taken for losses: %v", rest)
	}
	// firewalld makes its table anew and forgets the rules of the moment.
	w = s.Start(s.Victim, "watch")
	w.Expect("watching")
	s.nft("add table inet firewalld; delete table inet firewalld")
	w.Expect("lost")
	w.End()

	w = s.Start(s.Victim, "watch")
	w.Expect("watching")
	s.nft("flush ruleset")
	w.Expect("lost")
	s.Open(v4)
	wants := []string{v4, "0", "600", v6, "64", "0"}
	if got := s.do("ensure", wants...); got != "true\n" {
		t.Errorf("first Ensure: changed is %s", got)
	}
	s.Blocked(v4, other6)
	if got := s.do("ensure", wants...); got != "false\n" {
		t.Errorf("second Ensure: changed is %s", got)
	}
	wants[2] = "6000"
	if got := s.do("ensure", wants...); got != "true\n" {
		t.Errorf("Ensure with another end: changed is %s", got)
	}
}

// A chain without rules, or without its jump, blocks nobody although the
// addresses are still there.
func TestEnsureRepairs(t *testing.T) {
	empty := map[string][]string{
		"nftables": {"nft", "flush chain inet hids prerouting"},
		"iptables": {"iptables", "-t", "raw", "-F", "PREROUTING"},
	}
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			s.block(v4)
			if out, err := s.Exec(s.Victim, empty[backend]...).CombinedOutput(); err != nil {
				testenv.Skip(t, fmt.Sprintf("needs %s: %v: %s", empty[backend][0], err, out))
			}
			s.Open(v4)
			if got := s.do("ensure", v4, "0", "600"); got != "true\n" {
				t.Errorf("changed is %s", got)
			}
			s.Blocked(v4)
		})
	}
}

// nft does what an admin does with it.
func (s site) nft(command string) {
	s.t.Helper()
	if out, err := s.Exec(s.Victim, "nft", command).CombinedOutput(); err != nil {
		testenv.Skip(s.t, fmt.Sprintf("needs nft: %v: %s", err, out))
	}
}

// Packets that only pass through are dropped too: the attacker reaches the
// victim's neighbour through the victim, until it is blocked there.
func TestForwardedPackets(t *testing.T) {
	for _, backend := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			s := newSite(t, backend)
			router := s.Router()
			router.Open(v4, v6)
			s.block(v4, v6)
			router.Blocked(v4, v6)
			router.Open(other4, other6)
			s.unblock(v4, v6)
			router.Open(v4, v6)
		})
	}
}

// A block is found again although another packet filter has become the best.
func TestUnblockElsewhere(t *testing.T) {
	if len(backends(t)) < 2 {
		return
	}
	s := newSite(t, "iptables")
	s.block(v4, v6)
	s.Blocked(v4, v6)
	s.args[0] = "" // whichever is best: nftables
	s.block(other4)
	s.unblock(v4, v6)
	s.Open(v4, v6)
	s.Blocked(other4)
}

// Another packet filter takes over what is blocked, and nothing stays behind in
// the one before: who unblocks would not look there.
func TestEnsureMoves(t *testing.T) {
	if len(backends(t)) < 2 {
		return
	}
	for _, way := range [][2]string{{"nftables", "iptables"}, {"iptables", "nftables"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			s := newSite(t, way[0])
			s.block(v4, v6)
			s.args[0] = way[1]
			s.do("ensure", v4, "0", "600", v6, "0", "600")
			s.Blocked(v4, v6)
			s.unblock(v4, v6)
			s.Open(v4, v6)
		})
	}
}
