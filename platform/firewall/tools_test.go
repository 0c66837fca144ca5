// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hids/platform/command"
)

// script answers argument vectors and notes them. An answer that starts with !
// is a failure.
type script struct {
	answers map[string]string
	ran     []string
}

func (s *script) run(_ context.Context, argv []string, _ []byte) (command.Result, error) {
	line := strings.Join(argv, " ")
	s.ran = append(s.ran, line)
	if said, failed := strings.CutPrefix(s.answers[line], "!"); failed {
		return command.Result{Code: 1, Stderr: []byte(said)}, nil
	}
	return command.Result{Stdout: []byte(s.answers[line])}, nil
}

var (
	net4 = netip.MustParsePrefix("192.0.2.7/32")
	net6 = netip.MustParsePrefix("2001:db8::/64")
)

// What each packet filter is told to block net4 and net6, and to unblock net4.
func TestToolArguments(t *testing.T) {
	tests := []struct {
		backend     func(command.Func) Backend
		answers     map[string]string
		add, delete []string
	}{
		{
			backend: func(run command.Func) Backend { return firewalld{run: run} },
			answers: map[string]string{
				"firewall-cmd --query-rich-rule=rule family='ipv6' source address='2001:db8::/64' drop": "!no",
			},
			add: []string{
				"firewall-cmd --query-rich-rule=rule family='ipv4' source address='192.0.2.7' drop",
				"firewall-cmd --remove-rich-rule=rule family='ipv4' source address='192.0.2.7' drop",
				"firewall-cmd --add-rich-rule=rule family='ipv4' source address='192.0.2.7' drop",
				"firewall-cmd --query-rich-rule=rule family='ipv6' source address='2001:db8::/64' drop",
				"firewall-cmd --add-rich-rule=rule family='ipv6' source address='2001:db8::/64' drop",
			},
			delete: []string{
				"firewall-cmd --query-rich-rule=rule family='ipv4' source address='192.0.2.7' drop",
				"firewall-cmd --remove-rich-rule=rule family='ipv4' source address='192.0.2.7' drop",
			},
		},
		{
			backend: pf,
			answers: map[string]string{"pfctl -t ossec_fwtable -T show": "   192.0.2.7\n"},
			add: []string{
				"pfctl -t ossec_fwtable -T show",
				"pfctl -k 192.0.2.7", // listed already: only its states are left
				"pfctl -t ossec_fwtable -T add 2001:db8::/64", "pfctl -k 2001:db8::/64",
			},
			delete: []string{"pfctl -t ossec_fwtable -T show", "pfctl -t ossec_fwtable -T delete 192.0.2.7"},
		},
		{
			backend: ipfw,
			answers: map[string]string{"ipfw -q table 00001 list": "192.0.2.7/32 0\n"},
			add: []string{
				"ipfw list",
				"ipfw -q table 00001 create type addr missing",
				"ipfw -q add 00001 deny ip from table(1) to any",
				"ipfw -q add 00001 deny ip from any to table(1)",
				"ipfw -q table 00001 list",
				"ipfw -q table 00001 add 2001:db8::/64",
			},
			delete: []string{"ipfw -q table 00001 list", "ipfw -q table 00001 delete 192.0.2.7"},
		},
		{
			backend: macIPFW,
			answers: map[string]string{"ipfw -S list": "00100 set 2 deny ip from 192.0.2.7 to any\n" +
				"00200 set 2 deny ip from any to 192.0.2.7\n00300 set 2 deny ip from 192.0.2.70 to any\n"},
			add: []string{
				"ipfw -S list",
				"ipfw -q add set 2 deny ip from 2001:db8::/64 to any", "ipfw -q add set 2 deny ip from any to 2001:db8::/64",
				"ipfw -q set enable 2",
			},
			delete: []string{"ipfw -S list", "ipfw -q delete 00100", "ipfw -q delete 00200"},
		},
		{
			backend: npf,
			answers: map[string]string{"npfctl table ossec_blacklist list": "192.0.2.7/32\n"},
			add: []string{
				"npfctl table ossec_blacklist list",
				"npfctl table ossec_blacklist add 2001:db8::/64",
			},
			delete: []string{"npfctl table ossec_blacklist list", "npfctl table ossec_blacklist rem 192.0.2.7"},
		},
		{
			backend: netsh,
			answers: map[string]string{"netsh advfirewall firewall show rule name=all dir=in": "" +
				"Regelname:                            OSSEC-192.0.2.7\r\n"},
			add: []string{
				"netsh advfirewall firewall show rule name=all dir=in",
				"netsh advfirewall firewall add rule name=OSSEC-2001:db8::/64 dir=in interface=any action=block remoteip=2001:db8::/64",
			},
			delete: []string{"netsh advfirewall firewall show rule name=all dir=in", "netsh advfirewall firewall delete rule name=OSSEC-192.0.2.7"},
		},
	}
	for _, tt := range tests {
		s := &script{answers: tt.answers}
		b := tt.backend(s.run)
		t.Run(b.Name(), func(t *testing.T) {
			if err := b.Add(t.Context(), []Block{{Net: net4}, {Net: net6}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.add, s.ran); diff != "" {
				t.Errorf("add (-want +got):\n%s", diff)
			}
			s.ran = nil
			found, err := b.Delete(t.Context(), []netip.Prefix{net4})
			if err != nil || !found {
				t.Fatalf("delete: found %t, %v", found, err)
			}
			if diff := cmp.Diff(tt.delete, s.ran); diff != "" {
				t.Errorf("delete (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFirewalldTimeout(t *testing.T) {
	s := &script{}
	block := Block{Net: net4, Until: time.Now().Add(-time.Hour)}
	if err := (firewalld{run: s.run}).Add(t.Context(), []Block{block}); err != nil {
		t.Fatal(err)
	}
	if got := s.ran[len(s.ran)-1]; !strings.HasSuffix(got, " --timeout=1") {
		t.Errorf("ran %q, want the shortest timeout", got)
	}
}

func TestParseLists(t *testing.T) {
	tests := []struct {
		name string
		read func([]byte) []Block
		out  string
	}{
		{"iptables", parseRules, "-N hids\n-A hids -s 192.0.2.7/32 -j DROP\n-A hids -s 2001:db8::/64 -j DROP\n" +
			"-A hids -s 192.0.2.9/32 -j ACCEPT\n-A hids -s name -j DROP\n"},
		{"firewalld", parseRichRules, `rule family="ipv4" source address="192.0.2.7" drop` + "\n" +
			`rule family="ipv6" source address="2001:db8::/64" drop` + "\n" +
			`rule family="ipv4" source address="192.0.2.9" port port="22" protocol="tcp" drop` + "\n"},
		{"ipfw", parseIPFWTable, "--- table(1), set(0) ---\n192.0.2.7/32 0\n2001:db8::/64 0\n"},
		{"pf", parseList, "   192.0.2.7\n   2001:db8::/64\n"},
		{"netsh", parseNetsh, "Rule Name:   OSSEC-192.0.2.7\r\nRule Name: OSSEC-2001:db8::/64\r\nRule Name: OSSEC-x\r\n"},
	}
	want := []Block{{Net: net4}, {Net: net6}}
	for _, tt := range tests {
		got := tt.read([]byte(tt.out))
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A tool that fails is not believed; an absent block is not even asked for.
func TestToolFailure(t *testing.T) {
	s := &script{answers: map[string]string{"npfctl table ossec_blacklist list": "192.0.2.7",
		"npfctl table ossec_blacklist rem 192.0.2.7": "!permission denied"}}
	_, err := npf(s.run).Delete(t.Context(), []netip.Prefix{net4})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("delete: %v", err)
	}
	broken := func(context.Context, []string, []byte) (command.Result, error) {
		return command.Result{}, exec.ErrNotFound
	}
	if err := (iptables{run: broken}).Usable(t.Context()); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a host without iptables: %v", err)
	}
}

// ending answers every question but that for a table with one result.
func ending(result command.Result, err error) command.Func {
	return func(_ context.Context, argv []string, _ []byte) (command.Result, error) {
		if slices.Contains(argv, "PREROUTING") {
			return command.Result{}, nil
		}
		return result, err
	}
}

// An iptables that can't be asked now may still have the rule: only what is not
// there needs no unblocking.
func TestUnblockAsksIptables(t *testing.T) {
	locked := "Another app is currently holding the xtables lock; still 0s 0us time ahead"
	tests := []struct {
		name   string
		code   int
		stderr string
		err    error
		fails  bool
	}{
		{name: "lock is held", code: 4, stderr: locked, fails: true},
		{name: "killed", code: -1, fails: true},
		{name: "timeout", err: context.DeadlineExceeded, fails: true},
		{name: "no chain", code: 1, stderr: "iptables: No chain/target/match by that name."},
		{name: "no table", code: 3, stderr: "can't initialize iptables table `raw': Table does not exist"},
		{name: "no family", code: 3, stderr: "can't initialize ip6tables table `raw': Address family not supported by protocol"},
		{name: "no table in nf_tables", code: 4, stderr: "TABLE_ADD failed (Operation not supported): table raw"},
		{name: "no tool", err: exec.ErrNotFound},
	}
	empty := npf(new(script).run)
	for _, tt := range tests {
		b := iptables{run: ending(command.Result{Code: tt.code, Stderr: []byte(tt.stderr)}, tt.err)}
		lock := filepath.Join(t.TempDir(), "lock")
		for where, f := range map[string]*Firewall{
			"here":      {backend: b, lock: lock},
			"elsewhere": {backend: empty, others: []Backend{b}, lock: lock},
		} {
			for _, addr := range []string{"192.0.2.7", "2001:db8::7"} {
				if err := f.Unblock(t.Context(), netip.MustParseAddr(addr)); (err != nil) != tt.fails {
					t.Errorf("%s, %s, unblock %s: %v", tt.name, where, addr, err)
				}
			}
		}
	}
}

// An ipfw that never blocked has no table: there is nothing to unblock in it.
func TestIPFWWithoutTable(t *testing.T) {
	s := &script{answers: map[string]string{"ipfw -q table 00001 list": "!ipfw: failed to request table info: No such process"}}
	if found, err := ipfw(s.run).Delete(t.Context(), []netip.Prefix{net4}); found || err != nil {
		t.Errorf("delete: found %t, %v", found, err)
	}
}

// rules is a firewalld that has rules with timeouts, and does not list these.
type rules map[string]string

func (r rules) run(_ context.Context, argv []string, _ []byte) (command.Result, error) {
	op, rule, _ := strings.Cut(argv[1], "=")
	var result command.Result
	switch op {
	case "--query-rich-rule":
		if _, ok := r[rule]; !ok {
			result.Code = 1
		}
	case "--add-rich-rule":
		r[rule] = strings.Join(argv[2:], " ")
	case "--remove-rich-rule":
		delete(r, rule)
	case "--list-rich-rules":
		result.Stdout = []byte(strings.Join(slices.Collect(maps.Keys(r)), "\n"))
	}
	return result, nil
}

// forgetEnds makes this process as one that has just started.
func forgetEnds() {
	told.mu.Lock()
	defer told.mu.Unlock()
	clear(told.of)
}

// firewalld ends a rule at the end it was given first, unless the rule is put in
// anew. That happens once for a new end, not whenever the blocks are looked at.
func TestEnsureProlongsInFirewalld(t *testing.T) {
	r := rules{}
	adds := 0
	run := func(ctx context.Context, argv []string, stdin []byte) (command.Result, error) {
		if strings.HasPrefix(argv[1], "--add") {
			adds++
		}
		return r.run(ctx, argv, stdin)
	}
	f := &Firewall{backend: firewalld{run: run}, lock: filepath.Join(t.TempDir(), "lock")}
	addr, now := netip.MustParseAddr("192.0.2.7"), time.Now()
	if err := f.Block(t.Context(), addr, 0, now.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	forgetEnds() // another process did that
	for _, step := range []struct {
		name    string
		until   time.Time
		timeout string // what the rule's begins with
		adds    int
	}{
		{"prolonged", now.Add(24 * time.Hour), "--timeout=864", 2},
		{"the same", now.Add(24 * time.Hour), "--timeout=864", 2},
		{"for ever", time.Time{}, "", 3},
		{"for ever still", time.Time{}, "", 3},
		{"with an end again", now.Add(time.Hour), "--timeout=36", 4},
	} {
		changed, err := f.Ensure(t.Context(), []Want{{Addr: addr, Until: step.until}})
		if err != nil || changed {
			t.Errorf("%s: changed %t, %v", step.name, changed, err)
		}
		got := r["rule family='ipv4' source address='192.0.2.7' drop"]
		if !strings.HasPrefix(got, step.timeout) || (step.timeout == "") != (got == "") || adds != step.adds {
			t.Errorf("%s: has %q after %d additions, want %q after %d", step.name, got, adds, step.timeout, step.adds)
		}
	}
	clear(r) // firewalld was reloaded
	if changed, err := f.Ensure(t.Context(), []Want{{Addr: addr, Until: now.Add(time.Hour)}}); err != nil || !changed || len(r) != 1 {
		t.Errorf("a lost rule: changed %t, %v, rules %v", changed, err, r)
	}
}

// A network is not ended with one of its addresses while another may need it.
func TestEnsureKeepsSharedNetworkInFirewalld(t *testing.T) {
	r := rules{}
	f := &Firewall{backend: firewalld{run: r.run}, lock: filepath.Join(t.TempDir(), "lock")}
	now := time.Now()
	first, second := netip.MustParseAddr("2001:db8:7::1"), netip.MustParseAddr("2001:db8:7::2")
	for _, addr := range []netip.Addr{first, second} {
		if err := f.Block(t.Context(), addr, 64, now.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	forgetEnds()
	if _, err := f.Ensure(t.Context(), []Want{{Addr: first, Bits: 64, Until: now.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if got := r["rule family='ipv6' source address='2001:db8:7::/64' drop"]; got != "" || len(r) != 3 {
		t.Errorf("the network has %q, want no end, rules %v", got, r)
	}
}

func TestDifference(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	wants := []Want{{Addr: a, Bits: 64, Until: now}, {Addr: b, Bits: 64, Until: now.Add(time.Hour)}}
	single := func(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, 128) }
	tests := []struct {
		name    string
		present []Block
		want    []Block
	}{
		{"nothing there", nil, []Block{{single(a), now}, {single(b), now.Add(time.Hour)}, {net6, now.Add(time.Hour)}}},
		{"all there, about", []Block{{single(a), now.Add(9 * time.Second)}, {single(b), now.Add(time.Hour)},
			{net6, now.Add(time.Hour)}}, []Block{}},
		{"no ends kept", []Block{{Net: single(a)}, {Net: single(b)}, {Net: net6}}, []Block{}},
		{"network ends too early", []Block{{single(a), now}, {single(b), now.Add(time.Hour)}, {net6, now}},
			[]Block{{net6, now.Add(time.Hour)}}},
	}
	byNet := cmpopts.SortSlices(func(x, y Block) bool { return x.Net.String() < y.Net.String() })
	for _, tt := range tests {
		got := difference(wants, tt.present)
		if diff := cmp.Diff(tt.want, got, byNet, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
