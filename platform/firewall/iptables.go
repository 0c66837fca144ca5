// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"hids/platform/command"
)

// iptablesChain is the own chain, the same in iptables and ip6tables.
const iptablesChain = "hids"

// iptables is an own chain of DROP rules, for hosts whose kernel has no
// nftables. It keeps no time: execd alone ends a block.
type iptables struct{ run command.Func }

func (iptables) Name() string { return "iptables" }

// frame is a table and the chains that jump to ours.
type frame struct {
	table string
	from  []string
}

// frames in order of preference. The raw table comes before connection
// tracking and before the admin's rules and sees forwarded packets too; a
// container's kernel may not let it have one.
func frames() []frame {
	return []frame{
		{table: "raw", from: []string{"PREROUTING"}},
		{table: "filter", from: []string{"INPUT", "FORWARD"}},
	}
}

// toolFor is the tool that speaks a network's family.
func toolFor(v6 bool) string {
	if v6 {
		return "ip6tables"
	}
	return "iptables"
}

// argv waits for the lock that all iptables share.
func (f frame) argv(v6 bool, words ...string) []string {
	return append([]string{toolFor(v6), "-w", "10", "-t", f.table}, words...)
}

func (b iptables) Usable(ctx context.Context) error {
	_, err := b.frame(ctx, false)
	return err
}

// frame returns the first table that this family has.
func (b iptables) frame(ctx context.Context, v6 bool) (frame, error) {
	var faults []error
	for _, f := range frames() {
		err := b.do(ctx, f.argv(v6, "-S", f.from[0]))
		if err == nil {
			return f, nil
		}
		faults = append(faults, err)
	}
	return frame{}, errors.Join(faults...)
}

func (b iptables) do(ctx context.Context, argv []string) error {
	result, err := b.run(ctx, argv, nil)
	if err != nil {
		return err
	}
	return result.Err(argv)
}

func (b iptables) Repair(ctx context.Context) (repaired bool, err error) {
	for _, v6 := range []bool{false, true} {
		f, err := b.frame(ctx, v6)
		if err != nil {
			if v6 {
				continue // a host without IPv6
			}
			return repaired, err
		}
		had, err := b.install(ctx, f, v6)
		if err != nil {
			return repaired, err
		}
		repaired = repaired || !had
	}
	return repaired, nil
}

// install makes sure of the chain and of a jump to it before everything else in
// each chain it is called from. had says that nothing was missing.
func (b iptables) install(ctx context.Context, f frame, v6 bool) (had bool, err error) {
	had = true
	if b.do(ctx, f.argv(v6, "-S", iptablesChain)) != nil {
		had = false
		if err := b.do(ctx, f.argv(v6, "-N", iptablesChain)); err != nil {
			return false, err
		}
	}
	for _, from := range f.from {
		first, err := b.jumpsFirst(ctx, f.argv(v6, "-S", from), from)
		if err != nil || first {
			if err != nil {
				return had, err
			}
			continue
		}
		had = false
		if err := b.do(ctx, f.argv(v6, "-I", from, "1", "-j", iptablesChain)); err != nil {
			return had, err
		}
	}
	return had, nil
}

// jumpsFirst says whether a chain's first rule goes to ours: what comes before
// it could accept a blocked address.
func (b iptables) jumpsFirst(ctx context.Context, argv []string, from string) (bool, error) {
	result, err := b.run(ctx, argv, nil)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(result.Stdout)) {
		if rule, ok := strings.CutPrefix(strings.TrimSpace(line), "-A "+from+" "); ok {
			return rule == "-j "+iptablesChain, nil
		}
	}
	return false, result.Err(argv)
}

func (b iptables) Add(ctx context.Context, blocks []Block) error {
	for _, block := range blocks {
		v6 := block.Net.Addr().Is6()
		f, err := b.frame(ctx, v6)
		if err != nil {
			return fmt.Errorf("block %s: %w", block.Net, err)
		}
		if _, err := b.install(ctx, f, v6); err != nil {
			return fmt.Errorf("block %s: %w", block.Net, err)
		}
		if there, err := b.has(ctx, f, block.Net); there || err != nil {
			if err != nil {
				return fmt.Errorf("block %s: %w", block.Net, err)
			}
			continue
		}
		if err := b.do(ctx, f.argv(v6, dropRule("-A", block.Net)...)); err != nil {
			return fmt.Errorf("block %s: %w", block.Net, err)
		}
	}
	return nil
}

func dropRule(op string, network netip.Prefix) []string {
	return []string{op, iptablesChain, "-s", network.String(), "-j", "DROP"}
}

// has asks for a rule. iptables answers 1 when there is none, and for a chain
// that is not there.
func (b iptables) has(ctx context.Context, f frame, network netip.Prefix) (bool, error) {
	argv := f.argv(network.Addr().Is6(), dropRule("-C", network)...)
	result, err := b.run(ctx, argv, nil)
	if err != nil || result.Code != 0 && result.Code != 1 {
		return false, errors.Join(err, result.Err(argv))
	}
	return result.Code == 0, nil
}

// nothing says whether a question about our chain came to nothing because the
// chain, its table or the whole tool is not there. All else may pass: the lock
// that another program holds (exit code 4), a deadline, a signal.
func nothing(result command.Result, err error) bool {
	if err != nil {
		return errors.Is(err, exec.ErrNotFound)
	}
	switch result.Code {
	case 1, 2, 3: // no chain or rule; no option of that name; no such table or family
		return true
	case 4: // over nf_tables, a kernel that can't have the table
		return bytes.Contains(result.Stderr, []byte("_ADD failed"))
	}
	return false
}

// Delete looks in every table: which of them could be had may have changed. A
// table that can't be asked now does not keep it from the others.
func (b iptables) Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error) {
	var faults []error
	for _, network := range nets {
		for _, f := range frames() {
			there, err := b.remove(ctx, f, network)
			found = found || there
			if err != nil {
				faults = append(faults, fmt.Errorf("unblock %s: %w", network, err))
			}
		}
	}
	return found, errors.Join(faults...)
}

// remove deletes a rule from one table, and says whether it was there.
func (b iptables) remove(ctx context.Context, f frame, network netip.Prefix) (there bool, err error) {
	v6 := network.Addr().Is6()
	argv := f.argv(v6, dropRule("-C", network)...)
	result, err := b.run(ctx, argv, nil)
	if nothing(result, err) {
		return false, nil
	}
	if err = errors.Join(err, result.Err(argv)); err != nil {
		return false, err
	}
	return true, b.do(ctx, f.argv(v6, dropRule("-D", network)...))
}

func (b iptables) List(ctx context.Context) ([]Block, error) {
	var blocks []Block
	for _, v6 := range []bool{false, true} {
		for _, f := range frames() {
			argv := f.argv(v6, "-S", iptablesChain)
			result, err := b.run(ctx, argv, nil)
			if nothing(result, err) {
				continue
			}
			if err = errors.Join(err, result.Err(argv)); err != nil {
				return nil, fmt.Errorf("list the rules of iptables: %w", err)
			}
			blocks = append(blocks, parseRules(result.Stdout)...)
		}
	}
	return blocks, nil
}

// parseRules reads what iptables -S prints of our chain.
func parseRules(out []byte) []Block {
	var blocks []Block
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) != 6 || words[0] != "-A" || words[2] != "-s" || words[5] != "DROP" {
			continue
		}
		if network, err := parseNet(words[3]); err == nil {
			blocks = append(blocks, Block{Net: network})
		}
	}
	return blocks
}
