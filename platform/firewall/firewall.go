// SPDX-License-Identifier: Apache-2.0

// Package firewall makes the host drop what comes from an address, with
// whatever packet filter it has: an own nftables table, an own iptables chain,
// firewalld, pf, ipfw, npf or the Windows firewall. Each is a Backend in a file
// of its own; those that are tools are run by argument vector. Who is blocked,
// why and for how long is decided elsewhere, and routes are platform/routes.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hids/platform/command"
	"hids/platform/lockfile"
)

// Margin is how much longer than a block's time its element lives in a packet
// filter that can expire it by itself. The kernel's clock is the second line:
// it must not end a block before execd does.
const Margin = time.Minute

// Block is a network whose packets are dropped.
type Block struct {
	Net   netip.Prefix // a single address, or a network of IPv6
	Until time.Time    // when the block's time is over; zero: no end
}

// NetworkBits lists the lengths of the IPv6 networks that can be blocked as a
// whole: those in which they are given to customers.
func NetworkBits() []int { return []int{64, 56, 48} }

// Backend is one packet filter. Its methods are called by one process at a
// time, but the admin may change the rules at any moment.
type Backend interface {
	Name() string
	// Usable says why this packet filter can't block on this host now.
	Usable(ctx context.Context) error
	// Add drops the networks' packets, standing connections included. A
	// network that is blocked already gets the new end.
	Add(ctx context.Context, blocks []Block) error
	// Repair puts back the frame that blocks hang in (a table, a chain, a jump
	// to it) if somebody took it away, and says whether it had to.
	Repair(ctx context.Context) (bool, error)
	// Delete lets them pass again, and says whether any was blocked. One that
	// is not is no error.
	Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error)
	// List returns the networks this backend's Add has blocked. Until is zero
	// where the packet filter keeps no time.
	List(ctx context.Context) ([]Block, error)
}

// endHider is a Backend that ends blocks itself and does not list their ends.
type endHider interface {
	// knowsEnd says whether the block, which is there, surely has this end.
	knowsEnd(b Block) bool
}

// Options say how to reach the host's packet filters.
type Options struct {
	Run     command.Func // how tools are run
	Lock    string       // file by which processes take turns
	Backend string       // name of the only one to use; "": the best that is usable
}

// Firewall is a host's packet filter.
type Firewall struct {
	backend Backend
	others  []Backend // usable or not; a block may have been made by them earlier
	lock    string
}

// Open chooses the packet filter.
func Open(ctx context.Context, o Options) (*Firewall, error) {
	all := candidates(o.Run)
	var unusable []error
	for i, b := range all {
		if o.Backend != "" && o.Backend != b.Name() {
			continue
		}
		err := b.Usable(ctx)
		if err == nil {
			others := append(append([]Backend{}, all[:i]...), all[i+1:]...)
			return &Firewall{backend: b, others: others, lock: o.Lock}, nil
		}
		unusable = append(unusable, fmt.Errorf("%s: %w", b.Name(), err))
	}
	if unusable == nil {
		return nil, fmt.Errorf("find the packet filter %s: %w", o.Backend, errors.ErrUnsupported)
	}
	return nil, fmt.Errorf("find a packet filter that works: %w", errors.Join(unusable...))
}

// Name says which packet filter was chosen.
func (f *Firewall) Name() string { return f.backend.Name() }

// Block drops what comes from addr until the given time; zero: until Unblock.
// bits is 0 for the address alone, or one of NetworkBits to drop the whole
// network of an IPv6 address. Blocking again moves the end, later or earlier.
func (f *Firewall) Block(ctx context.Context, addr netip.Addr, bits int, until time.Time) error {
	return f.locked(ctx, func() error {
		blocks := wanted(addr, bits, until)
		if len(blocks) == 1 {
			return f.backend.Add(ctx, blocks)
		}
		// Another address may need the network for longer.
		present, err := f.backend.List(ctx)
		if err != nil {
			return err
		}
		for _, b := range present {
			if b.Net == blocks[1].Net && later(b.Until, until) {
				blocks[1].Until = b.Until
			}
		}
		return f.backend.Add(ctx, blocks)
	})
}

// wanted is what stands for a block in the packet filter. The address itself is
// always there: where a network is blocked for several addresses, those that
// are left say whether it is still needed.
func wanted(addr netip.Addr, bits int, until time.Time) []Block {
	blocks := []Block{{Net: netip.PrefixFrom(addr, addr.BitLen()), Until: until}}
	if addr.Is6() && slices.Contains(NetworkBits(), bits) {
		blocks = append(blocks, Block{Net: netip.PrefixFrom(addr, bits).Masked(), Until: until})
	}
	return blocks
}

// Unblock lets addr pass again, and its network unless another address of it is
// still blocked. What is not blocked is no error.
func (f *Firewall) Unblock(ctx context.Context, addr netip.Addr) error {
	return f.locked(ctx, func() error {
		found, err := unblock(ctx, f.backend, addr)
		if found || err != nil {
			return err
		}
		return f.unblockElsewhere(ctx, addr)
	})
}

// unblockElsewhere looks for a block that was made while another packet filter
// was in charge. One that is usable and can't be asked may still have it.
func (f *Firewall) unblockElsewhere(ctx context.Context, addr netip.Addr) error {
	var faults []error
	for _, b := range f.others {
		if b.Usable(ctx) != nil {
			continue
		}
		found, err := unblock(ctx, b, addr)
		if found {
			return err
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// unblock deletes an address from one packet filter, and says whether it was
// there.
func unblock(ctx context.Context, b Backend, addr netip.Addr) (found bool, err error) {
	if addr.Is4() { // no network is blocked with it, so nothing need be listed
		return b.Delete(ctx, []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())})
	}
	blocks, err := b.List(ctx)
	if err != nil {
		return false, err
	}
	nets := release(blocks, addr)
	if len(nets) == 0 {
		return false, nil
	}
	return b.Delete(ctx, nets)
}

// release picks what no address but addr needs.
func release(blocks []Block, addr netip.Addr) []netip.Prefix {
	var nets []netip.Prefix
	for _, b := range blocks {
		if b.Net.Contains(addr) && !neededByOther(blocks, b.Net, addr) {
			nets = append(nets, b.Net)
		}
	}
	return nets
}

func neededByOther(blocks []Block, network netip.Prefix, addr netip.Addr) bool {
	for _, b := range blocks {
		if b.Net.IsSingleIP() && b.Net.Addr() != addr && network.Contains(b.Net.Addr()) {
			return true
		}
	}
	return false
}

// Want is a block that somebody keeps account of.
type Want struct {
	Addr  netip.Addr
	Bits  int // as for Firewall.Block
	Until time.Time
}

// Ensure blocks what should be blocked and is not, or has another end, and says
// whether there was any. A block whose end nobody can tell is put in anew, and
// does not count as changed. What is blocked beyond that stays: an admin may
// have blocked it by hand.
func (f *Firewall) Ensure(ctx context.Context, wants []Want) (changed bool, err error) {
	if len(wants) == 0 {
		return false, nil
	}
	err = f.locked(ctx, func() error {
		repaired, err := f.backend.Repair(ctx)
		if err != nil {
			return err
		}
		present, err := f.backend.List(ctx)
		if err != nil {
			return err
		}
		missing := difference(wants, present)
		changed = repaired || len(missing) > 0
		missing = append(missing, f.unsure(wants, present)...)
		if len(missing) == 0 {
			return nil
		}
		if err := f.backend.Add(ctx, missing); err != nil {
			return err
		}
		return f.removeElsewhere(ctx, missing)
	})
	return changed, err
}

// unsure returns what is present, in a packet filter that hides ends, and may
// have another end than the wanted one.
func (f *Firewall) unsure(wants []Want, present []Block) []Block {
	hider, ok := f.backend.(endHider)
	if !ok {
		return nil
	}
	var blocks []Block
	all := difference(wants, nil)
	for _, b := range all {
		if !contains(present, b.Net) {
			continue
		}
		if !b.Net.IsSingleIP() && sharedBeyond(all, present, b.Net) {
			b.Until = time.Time{} // until the last address is unblocked
		}
		if !hider.knowsEnd(b) {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// sharedBeyond says whether a network is blocked for an address that is not
// among the wanted blocks, and that may need it for longer.
func sharedBeyond(wanted, present []Block, network netip.Prefix) bool {
	return slices.ContainsFunc(present, func(b Block) bool {
		return b.Net.IsSingleIP() && network.Contains(b.Net.Addr()) && !contains(wanted, b.Net)
	})
}

// removeElsewhere takes from the other packet filters what this one blocks now.
// Whoever unblocks it later finds it here, and would leave it there for ever.
func (f *Firewall) removeElsewhere(ctx context.Context, blocks []Block) error {
	nets := make([]netip.Prefix, len(blocks))
	for i, b := range blocks {
		nets[i] = b.Net
	}
	var faults []error
	for _, b := range f.others {
		if b.Usable(ctx) != nil {
			continue
		}
		_, err := b.Delete(ctx, nets)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// difference returns what present lacks. Where two wants share a network, the
// later end holds.
func difference(wants []Want, present []Block) []Block {
	until := make(map[netip.Prefix]time.Time)
	for _, w := range wants {
		for _, b := range wanted(w.Addr, w.Bits, w.Until) {
			if old, ok := until[b.Net]; !ok || later(b.Until, old) {
				until[b.Net] = b.Until
			}
		}
	}
	for _, b := range present {
		if want, ok := until[b.Net]; ok && sameEnd(want, b.Until) {
			delete(until, b.Net)
		}
	}
	missing := make([]Block, 0, len(until))
	for network, end := range until {
		missing = append(missing, Block{Net: network, Until: end})
	}
	return missing
}

func later(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// sameEnd says whether the packet filter's own end will do: it has none, or it
// lies well behind the wanted one without outliving it by much.
func sameEnd(want, has time.Time) bool {
	if has.IsZero() || want.IsZero() {
		return has.IsZero()
	}
	return has.Sub(want).Abs() < Margin/2
}

// List returns what this packet filter blocks on behalf of hids.
func (f *Firewall) List(ctx context.Context) ([]Block, error) { return f.backend.List(ctx) }

func (f *Firewall) locked(ctx context.Context, do func() error) error {
	unlock, err := lockfile.Take(ctx, f.lock)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

// lifetime is how long an element may live in a packet filter that expires it;
// 0: for ever.
func lifetime(until, now time.Time) time.Duration {
	if until.IsZero() {
		return 0
	}
	return max(until.Add(Margin).Sub(now), time.Second)
}

// parseList reads the networks a tool lists, one a line, and skips what is none.
func parseList(out []byte) []Block {
	var blocks []Block
	for line := range strings.Lines(string(out)) {
		if network, err := parseNet(strings.TrimSpace(line)); err == nil {
			blocks = append(blocks, Block{Net: network})
		}
	}
	return blocks
}

// parseNet reads an address or a prefix.
func parseNet(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	return network.Masked(), err
}
