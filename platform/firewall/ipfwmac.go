// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"hids/platform/command"
)

// ipfwMac is ipfw as macOS had it up to 10.9: without tables, so each block is
// two rules of set 2, as in OSSEC's ipfw_mac.sh. It has no IPv6.
type ipfwMac struct{ run command.Func }

func macIPFW(run command.Func) Backend { return ipfwMac{run} }

func (ipfwMac) Name() string { return "ipfw_mac" }

func (m ipfwMac) ask(ctx context.Context, argv ...string) ([]byte, error) {
	result, err := m.run(ctx, argv, nil)
	if err != nil {
		return nil, err
	}
	return result.Stdout, result.Err(argv)
}

func (m ipfwMac) Usable(ctx context.Context) error {
	_, err := m.ask(ctx, "ipfw", "-q", "list")
	return err
}

// Repair enables the set; rules in a disabled one drop nothing.
func (m ipfwMac) Repair(ctx context.Context) (bool, error) {
	_, err := m.ask(ctx, "ipfw", "-q", "set", "enable", "2")
	return false, err
}

func (m ipfwMac) Add(ctx context.Context, blocks []Block) error {
	present, err := m.List(ctx)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if contains(present, b.Net) {
			continue
		}
		ip := spell(b.Net)
		for _, way := range [][]string{{ip, "to", "any"}, {"any", "to", ip}} {
			argv := append([]string{"ipfw", "-q", "add", "set", "2", "deny", "ip", "from"}, way...)
			if _, err := m.ask(ctx, argv...); err != nil {
				return fmt.Errorf("block %s: %w", ip, err)
			}
		}
	}
	_, err = m.Repair(ctx)
	return err
}

func (m ipfwMac) Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error) {
	out, err := m.ask(ctx, "ipfw", "-S", "list")
	if err != nil {
		return false, fmt.Errorf("list the rules of ipfw: %w", err)
	}
	for _, network := range nets {
		for _, number := range macRuleNumbers(out, spell(network)) {
			found = true
			if _, err := m.ask(ctx, "ipfw", "-q", "delete", number); err != nil {
				return found, fmt.Errorf("unblock %s: %w", network, err)
			}
		}
	}
	return found, nil
}

func (m ipfwMac) List(ctx context.Context) ([]Block, error) {
	out, err := m.ask(ctx, "ipfw", "-S", "list")
	if err != nil {
		return nil, fmt.Errorf("list the rules of ipfw: %w", err)
	}
	var blocks []Block
	for line := range strings.Lines(string(out)) {
		if w, ok := macRule(line); ok && w[7] == "to" && w[8] == "any" {
			blocks = append(blocks, parseList([]byte(w[6]))...)
		}
	}
	return blocks, nil
}

// macRule splits a line like "00100 set 2 deny ip from 192.0.2.7 to any".
func macRule(line string) ([]string, bool) {
	w := strings.Fields(line)
	ok := len(w) == 9 && w[1] == "set" && w[2] == "2" && w[3] == "deny" && w[5] == "from"
	return w, ok
}

// macRuleNumbers picks the rules about exactly this address.
func macRuleNumbers(out []byte, ip string) []string {
	var numbers []string
	for line := range strings.Lines(string(out)) {
		if w, ok := macRule(line); ok && (w[6] == ip || w[8] == ip) {
			numbers = append(numbers, w[0])
		}
	}
	return numbers
}
