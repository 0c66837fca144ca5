// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"hids/platform/command"
)

// tool is a packet filter that keeps blocked addresses in a table, and that is
// worked by one tool. The tables have no times: execd alone ends a block.
type tool struct {
	run  command.Func
	name string

	usable func(ctx context.Context, ask asker) error
	repair func(ctx context.Context, ask asker) (bool, error) // nil: there is no frame

	add, del func(network netip.Prefix) []string
	cut      func(network netip.Prefix) []string // ends standing connections; nil: not needed
	list     [][]string
	absent   string // what the tool says of a table that was never made; "": nothing
	read     func(out []byte) []Block
}

// asker runs an argument vector and returns what it printed.
type asker func(ctx context.Context, argv ...string) ([]byte, error)

func (t tool) Name() string { return t.name }

func (t tool) ask(ctx context.Context, argv ...string) ([]byte, error) {
	result, err := t.run(ctx, argv, nil)
	if err != nil {
		return nil, err
	}
	return result.Stdout, result.Err(argv)
}

func (t tool) Usable(ctx context.Context) error { return t.usable(ctx, t.ask) }

func (t tool) Repair(ctx context.Context) (bool, error) {
	if t.repair == nil {
		return false, nil
	}
	return t.repair(ctx, t.ask)
}

func (t tool) Add(ctx context.Context, blocks []Block) error {
	if _, err := t.Repair(ctx); err != nil {
		return err
	}
	present, err := t.List(ctx)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if !contains(present, b.Net) {
			if _, err := t.ask(ctx, t.add(b.Net)...); err != nil {
				return fmt.Errorf("block %s: %w", b.Net, err)
			}
		}
		if t.cut == nil {
			continue
		}
		if _, err := t.ask(ctx, t.cut(b.Net)...); err != nil {
			return fmt.Errorf("cut the connections of %s: %w", b.Net, err)
		}
	}
	return nil
}

func contains(blocks []Block, network netip.Prefix) bool {
	for _, b := range blocks {
		if b.Net == network {
			return true
		}
	}
	return false
}

func (t tool) Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error) {
	present, err := t.List(ctx)
	if err != nil {
		return false, err
	}
	for _, network := range nets {
		if !contains(present, network) {
			continue
		}
		found = true
		argv := t.del(network)
		result, err := t.run(ctx, argv, nil)
		if err = errors.Join(err, result.Err(argv)); err != nil {
			return found, fmt.Errorf("unblock %s: %w", network, err)
		}
	}
	return found, nil
}

func (t tool) List(ctx context.Context) ([]Block, error) {
	var blocks []Block
	for _, argv := range t.list {
		out, err := t.ask(ctx, argv...)
		if err != nil && t.absent != "" && strings.Contains(err.Error(), t.absent) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the blocks: %w", err)
		}
		blocks = append(blocks, t.read(out)...)
	}
	return blocks, nil
}

// pfTable is OSSEC's table; the admin's pf.conf has the rule that drops it.
const pfTable = "ossec_fwtable"

// pf is the packet filter of OpenBSD, FreeBSD and macOS, with OSSEC's table.
func pf(run command.Func) Backend {
	return tool{
		run: run, name: "pf",
		usable: func(ctx context.Context, ask asker) error {
			out, err := ask(ctx, "pfctl", "-s", "rules")
			if err == nil && !bytes.Contains(out, []byte("<"+pfTable+">")) {
				err = errors.New("no rule uses the table <" + pfTable + ">; add to pf.conf: " +
					"table <" + pfTable + "> persist, and: block in quick from <" + pfTable + "> to any")
			}
			return err
		},
		add: func(n netip.Prefix) []string { return []string{"pfctl", "-t", pfTable, "-T", "add", spell(n)} },
		del: func(n netip.Prefix) []string { return []string{"pfctl", "-t", pfTable, "-T", "delete", spell(n)} },
		// A state passes before the rules are looked at.
		cut:  func(n netip.Prefix) []string { return []string{"pfctl", "-k", spell(n)} },
		list: [][]string{{"pfctl", "-t", pfTable, "-T", "show"}},
		read: parseList,
	}
}

// ipfwTable and ipfwRule are the numbers OSSEC's ipfw.sh uses.
const (
	ipfwTable = "00001"
	ipfwRule  = "00001"
)

// ipfw is the packet filter of FreeBSD, with OSSEC's table and rules.
func ipfw(run command.Func) Backend {
	return tool{
		run: run, name: "ipfw",
		usable: func(ctx context.Context, ask asker) error {
			_, err := ask(ctx, "ipfw", "-q", "list", "65535")
			return err
		},
		repair: repairIPFW,
		add:    func(n netip.Prefix) []string { return []string{"ipfw", "-q", "table", ipfwTable, "add", spell(n)} },
		del:    func(n netip.Prefix) []string { return []string{"ipfw", "-q", "table", ipfwTable, "delete", spell(n)} },
		list:   [][]string{{"ipfw", "-q", "table", ipfwTable, "list"}},
		absent: "No such process", // ESRCH
		read:   parseIPFWTable,
	}
}

// repairIPFW puts the two rules before all others: no keep-state rule of the
// admin's comes first.
func repairIPFW(ctx context.Context, ask asker) (bool, error) {
	out, err := ask(ctx, "ipfw", "list")
	if err != nil {
		return false, fmt.Errorf("list the rules of ipfw: %w", err)
	}
	if strings.Contains(string(out), "from table(") && strings.Contains(string(out), ipfwRule+" deny") {
		return false, nil
	}
	// Making the table again is an error on a host that has it, and older
	// versions make it by themselves.
	_, _ = ask(ctx, "ipfw", "-q", "table", ipfwTable, "create", "type", "addr", "missing")
	for _, way := range [][]string{{"from", "table(1)", "to", "any"}, {"from", "any", "to", "table(1)"}} {
		if _, err := ask(ctx, append([]string{"ipfw", "-q", "add", ipfwRule, "deny", "ip"}, way...)...); err != nil {
			return true, fmt.Errorf("add the rules of ipfw: %w", err)
		}
	}
	return true, nil
}

// parseIPFWTable reads lines like "192.0.2.7/32 0" between headings.
func parseIPFWTable(out []byte) []Block {
	var first strings.Builder
	for line := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		first.WriteString(word + "\n")
	}
	return parseList([]byte(first.String()))
}

// npfTable is the table of OSSEC's npf.sh; the admin's npf.conf has its rule.
const npfTable = "ossec_blacklist"

// npf is the packet filter of NetBSD, with OSSEC's table.
func npf(run command.Func) Backend {
	return tool{
		run: run, name: "npf",
		usable: func(ctx context.Context, ask asker) error {
			_, err := ask(ctx, "npfctl", "table", npfTable, "list")
			return err
		},
		add:  func(n netip.Prefix) []string { return []string{"npfctl", "table", npfTable, "add", spell(n)} },
		del:  func(n netip.Prefix) []string { return []string{"npfctl", "table", npfTable, "rem", spell(n)} },
		list: [][]string{{"npfctl", "table", npfTable, "list"}},
		read: parseList,
	}
}

// netshPrefix begins the name of a block's rule in the Windows firewall, as in
// OSSEC's firewall-drop.cmd.
const netshPrefix = "OSSEC-"

// netsh is the Windows firewall. Block rules come before allow rules there.
func netsh(run command.Func) Backend {
	firewall := []string{"netsh", "advfirewall", "firewall"}
	words := func(more ...string) []string { return append(firewall[:3:3], more...) }
	return tool{
		run: run, name: "netsh",
		usable: func(ctx context.Context, ask asker) error {
			_, err := ask(ctx, "netsh", "advfirewall", "show", "currentprofile", "state")
			return err
		},
		add: func(n netip.Prefix) []string {
			return words("add", "rule", "name="+netshPrefix+spell(n), "dir=in", "interface=any",
				"action=block", "remoteip="+n.String())
		},
		del:  func(n netip.Prefix) []string { return words("delete", "rule", "name="+netshPrefix+spell(n)) },
		list: [][]string{words("show", "rule", "name=all", "dir=in")},
		read: parseNetsh,
	}
}

// parseNetsh finds our rules by their names; all else is in the system's language.
func parseNetsh(out []byte) []Block {
	var names strings.Builder
	for line := range strings.Lines(string(out)) {
		if i := strings.LastIndex(line, netshPrefix); i >= 0 {
			names.WriteString(line[i+len(netshPrefix):])
		}
	}
	return parseList([]byte(names.String()))
}
