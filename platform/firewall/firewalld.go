// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"hids/platform/command"
)

// firewalld keeps rich rules in the default zone, at run time only, as OSSEC's
// firewalld-drop.sh does. firewalld ends a rule that has a timeout by itself. A
// standing connection is not cut: firewalld accepts it before any zone's rules.
type firewalld struct{ run command.Func }

func (firewalld) Name() string { return "firewalld" }

func (b firewalld) Usable(ctx context.Context) error {
	_, err := b.ask(ctx, "--state")
	return err
}

func (b firewalld) ask(ctx context.Context, words ...string) ([]byte, error) {
	argv := append([]string{"firewall-cmd"}, words...)
	result, err := b.run(ctx, argv, nil)
	if err != nil {
		return nil, err
	}
	return result.Stdout, result.Err(argv)
}

// Repair has nothing to put back: rules hang in the zone itself.
func (firewalld) Repair(context.Context) (bool, error) { return false, nil }

func richRule(network netip.Prefix) string {
	family := "ipv4"
	if network.Addr().Is6() {
		family = "ipv6"
	}
	return fmt.Sprintf("rule family='%s' source address='%s' drop", family, spell(network))
}

// spell writes a single address without its length, as OSSEC's scripts do.
func spell(network netip.Prefix) string {
	if network.IsSingleIP() {
		return network.Addr().String()
	}
	return network.String()
}

// told are the ends that this process gave to firewalld, which lists none:
// without them every look at the blocks would put all of them in anew. A rule
// that another process has added since has an end of its own, which then is the
// wanted one and not the one remembered here.
var told = ends{of: make(map[netip.Prefix]time.Time)}

type ends struct {
	mu sync.Mutex
	of map[netip.Prefix]time.Time
}

func (e *ends) set(b Block) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(e.of, func(_ netip.Prefix, end time.Time) bool { return !end.IsZero() && end.Before(now) })
	e.of[b.Net] = b.Until
}

func (e *ends) forget(network netip.Prefix) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, network)
}

func (e *ends) has(b Block) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	end, ok := e.of[b.Net]
	return ok && end.Equal(b.Until)
}

func (firewalld) knowsEnd(b Block) bool { return told.has(b) }

// Add replaces a rule that is there, because adding it again keeps its old end.
func (b firewalld) Add(ctx context.Context, blocks []Block) error {
	for _, block := range blocks {
		if _, err := b.Delete(ctx, []netip.Prefix{block.Net}); err != nil {
			return err
		}
		words := []string{"--add-rich-rule=" + richRule(block.Net)}
		if life := lifetime(block.Until, time.Now()); life > 0 {
			words = append(words, "--timeout="+strconv.Itoa(int(life.Seconds())))
		}
		if _, err := b.ask(ctx, words...); err != nil {
			return fmt.Errorf("block %s in firewalld: %w", block.Net, err)
		}
		told.set(block)
	}
	return nil
}

func (b firewalld) Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error) {
	for _, network := range nets {
		told.forget(network)
		there, err := b.has(ctx, network)
		found = found || there
		if err == nil && there {
			_, err = b.ask(ctx, "--remove-rich-rule="+richRule(network))
		}
		if err != nil {
			return found, fmt.Errorf("unblock %s in firewalld: %w", network, err)
		}
	}
	return found, nil
}

// has asks for a rule; firewall-cmd answers 1 and "no" when there is none.
func (b firewalld) has(ctx context.Context, network netip.Prefix) (bool, error) {
	argv := []string{"firewall-cmd", "--query-rich-rule=" + richRule(network)}
	result, err := b.run(ctx, argv, nil)
	if err != nil || result.Code > 1 {
		return false, errors.Join(err, result.Err(argv))
	}
	return result.Code == 0, nil
}

func (b firewalld) List(ctx context.Context) ([]Block, error) {
	out, err := b.ask(ctx, "--list-rich-rules")
	if err != nil {
		return nil, fmt.Errorf("list the rules of firewalld: %w", err)
	}
	return parseRichRules(out), nil
}

// parseRichRules picks the rules that have the form of ours.
func parseRichRules(out []byte) []Block {
	var blocks []Block
	for line := range strings.Lines(string(out)) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `"`, "'")
		_, rest, _ := strings.Cut(line, " source address='")
		addr, tail, _ := strings.Cut(rest, "'")
		network, err := parseNet(addr)
		if err == nil && tail == " drop" && line == strings.Replace(richRule(network), spell(network), addr, 1) {
			blocks = append(blocks, Block{Net: network})
		}
	}
	return blocks
}
