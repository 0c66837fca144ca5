// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
)

// listening is an interface with more listeners than its place explains.
type listening struct {
	name   string
	denied bool // sysfs does not show what rtnetlink tells
}

// promiscuity asks rtnetlink how many users of each interface want every
// packet, and takes off those that its place in a bridge, a bond or below a
// macvlan explains. OSSEC asks an ioctl, which leaves packet sockets out.
func promiscuity(ctx context.Context, s *check.Scan) error {
	if _, err := netstat.Links(); errors.Is(err, errors.ErrUnsupported) {
		return check.NotApplicable("%w", err)
	}
	found, err := check.Stable(ctx, func() (map[listening]int, error) {
		links, err := netstat.Links()
		return unexplained(s.Host, links), err
	})
	if err != nil {
		return err
	}
	for l, count := range found {
		reportPromiscuous(s, l, count)
	}
	return nil
}

func unexplained(h paths.Host, links []netstat.Link) map[listening]int {
	found := make(map[listening]int)
	ours := sameInterfaces(h, links)
	for _, l := range links {
		reasons := 0
		if l.Master != 0 {
			reasons++
		}
		for _, upper := range links {
			if upper.Parent == l.Index && upper.Index != l.Index && stacked(upper.Kind) {
				reasons += 1 + min(upper.Promiscuity, 1)
			}
		}
		if l.Promiscuity <= reasons {
			continue
		}
		flags, err := netstat.SysFlags(h, l.Name)
		found[listening{l.Name, ours && err == nil && flags&netstat.PromiscFlag == 0}] = l.Promiscuity - reasons
	}
	return found
}

// sameInterfaces reports whether sysfs shows the interfaces that we have: it
// belongs to the network namespace in which it was mounted.
func sameInterfaces(h paths.Host, links []netstat.Link) bool {
	entries, err := os.ReadDir(h.SysPath("class", "net"))
	names := make(map[string]bool)
	for _, e := range entries {
		if _, err := netstat.SysFlags(h, e.Name()); err == nil { // bonding_masters is no interface
			names[e.Name()] = true
		}
	}
	return err == nil && len(names) == len(links) && !slices.ContainsFunc(links, func(l netstat.Link) bool { return !names[l.Name] })
}

// stacked lists the kinds that make the interface below them listen.
func stacked(kind string) bool {
	switch kind {
	case "macvlan", "macvtap", "ipvlan", "ipvtap", "vlan", "macsec", "hsr":
		return true
	}
	return false
}

func reportPromiscuous(s *check.Scan, l listening, count int) {
	name := event.SafeText(l.name)
	f := check.Finding{
		Kind: check.Suspicious, Rule: "promiscuous", Thing: l.name,
		Title:    fmt.Sprintf("The interface '%s' takes in every packet, and not because of its place in a bridge or bond.", name),
		Why:      "Somebody on this machine listens to traffic that is not meant for it: a sniffer, or tcpdump, or an IDS.",
		Advice:   fmt.Sprintf("ss -0p; ip -d link show '%s'", name),
		Evidence: map[string]string{"listeners": strconv.Itoa(count)},
		Wire:     fmt.Sprintf("Interface '%s' in promiscuous mode.", name),
	}
	if l.denied {
		f.Kind, f.Rule = check.Rootkit, "promiscuity-denied"
		f.Title = fmt.Sprintf("The interface '%s' takes in every packet, and sysfs denies it.", name)
		f.Why = "rtnetlink and sysfs read the same state of the kernel; one of the answers was changed, to hide a sniffer."
		f.Wire = fmt.Sprintf("Interface '%s' in promiscuous mode, but ifconfig is not showing it(probably trojaned).", name)
	}
	s.Report(f)
}
