// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"hids/config/xmlconf"
)

// defaultDeadline ends a response that hangs. OSSEC waits for ever.
const defaultDeadline = 60 * time.Second

// maxOffenderMinutes keeps the ladder within reason: 10 years.
const maxOffenderMinutes = int64(maxPeriod / time.Minute)

// firstOnly keeps OSSEC's rule for execd: of several values in one file the
// first counts.
type firstOnly struct {
	block              int // <active-response> blocks so far in this root
	disabled, repeated bool
}

func (f *firstOnly) newRoot() { f.block = 0 }

// activeResponse reads one <active-response>. OSSEC's execd looks at the first
// block of a root only; here all blocks count. A later block that defines a
// response (it has a <command>) switches off that response on the manager with
// <disabled>, and not execd.
func (l *loader) activeResponse(section *xmlconf.Node) {
	if l.src.remote {
		l.warn(section.Pos, "set it in ossec.conf of this host", "<active-response> is not taken from a manager")
		return
	}
	l.first.block++
	ours := l.first.block == 1 || !hasChild(section, "command")
	own := l.responseOwn()
	for _, n := range section.Children {
		take, isOwn := own[n.Name]
		switch {
		case n.Name == "disabled" && ours:
			l.once(n, &l.first.disabled, l.flag(&l.cfg.ActiveResponse.Disabled))
		case n.Name == "repeated_offenders":
			l.once(n, &l.first.repeated, l.repeatedOffenders)
		case isOwn:
			l.leaf(n, take)
		case l.src.own && n.Name != "disabled":
			l.bad(n.Pos, didYouMean(n.Name, append(names(own), "disabled", "repeated_offenders")),
				"unknown element <%s> in <active-response>", n.Name)
		}
	}
}

func hasChild(n *xmlconf.Node, name string) bool {
	for _, c := range n.Children {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (l *loader) once(n *xmlconf.Node, seen *bool, take handler) {
	if *seen {
		l.warn(n.Pos, "", "<%s> was set before; the first one counts", n.Name)
		return
	}
	*seen = true
	l.leaf(n, take)
}

// responseOwn are execd's settings that only hids has.
func (l *loader) responseOwn() map[string]handler {
	a := &l.cfg.ActiveResponse
	return map[string]handler{
		"offenders_age": l.duration(&a.OffendersAge, 0),
		"white_list":    l.whiteList,
		"protect_ssh":   l.flag(&a.ProtectSSH),
		"keep_on_stop":  l.flag(&a.KeepOnStop),
		"concurrency":   l.count(&a.Concurrency, 1, 1024),
		"deadline":      l.duration(&a.Deadline, time.Second),
		"ipv6_prefix":   l.ipv6Prefix,
		"firewall":      l.firewall,
		"notify":        l.notify,
	}
}

// ipv6Prefix takes the lengths that networks are given out in; the packet filter
// keeps a set for each.
func (l *loader) ipv6Prefix(n *xmlconf.Node) {
	switch value(n) {
	case "48", "56", "64", "128":
		l.count(&l.cfg.ActiveResponse.IPv6Prefix, 48, 128)(n)
	default:
		l.bad(n.PosAt(0), "write 128, 64, 56 or 48", "ipv6_prefix is %.60q", value(n))
	}
}

// firewalls are the packet filters of all systems, and "auto".
func firewalls() []string {
	return []string{"auto", "nftables", "firewalld", "iptables", "pf", "ipfw", "npf"}
}

func (l *loader) firewall(n *xmlconf.Node) {
	if !slices.Contains(firewalls(), value(n)) {
		l.bad(n.PosAt(0), "write one of "+strings.Join(firewalls(), ", "), "firewall is %.60q", value(n))
		return
	}
	l.text(&l.cfg.ActiveResponse.Firewall)(n)
}

// repeatedOffenders reads the ladder, minutes between commas. OSSEC takes five,
// reads garbage as 0, and ends the list at a 0.
func (l *loader) repeatedOffenders(n *xmlconf.Node) {
	var ladder []time.Duration
	pieces := list(n)
	if len(pieces) == 0 {
		l.bad(n.Pos, "write minutes, as 30,60,120", "<repeated_offenders> is empty")
	}
	for _, p := range pieces {
		digits := p.text[:len(p.text)-len(strings.TrimLeft(p.text, "0123456789"))]
		minutes, ok := number(digits, maxOffenderMinutes)
		switch {
		case !ok:
			l.bad(p.pos, "write minutes, as 30,60,120", "%.60q in <repeated_offenders> is no number of minutes", p.text)
			continue
		case minutes == 0:
			l.warn(p.pos, "", "the list of <repeated_offenders> ends at 0")
			l.setLadder(n, ladder)
			return
		case digits != p.text:
			l.warn(p.pos, "write minutes in digits", "%.60q is taken for %d minutes", p.text, minutes)
		}
		ladder = append(ladder, time.Duration(minutes)*time.Minute)
	}
	l.setLadder(n, ladder)
}

func (l *loader) setLadder(n *xmlconf.Node, ladder []time.Duration) {
	l.cfg.ActiveResponse.RepeatedOffenders = ladder
	l.origin(n)
}

// whiteList reads addresses, networks and names. OSSEC's stock files write a
// name as a pattern, ^localhost.localdomain$.
func (l *loader) whiteList(n *xmlconf.Node) {
	for _, p := range list(n) {
		entry := strings.TrimSuffix(strings.TrimPrefix(p.text, "^"), "$")
		if !isHost(entry) {
			l.bad(p.pos, "write an address, a network as 192.0.2.0/24, or a host name", "white_list has %.60q", p.text)
			continue
		}
		l.cfg.ActiveResponse.WhiteList = append(l.cfg.ActiveResponse.WhiteList, entry)
	}
	l.origin(n)
}

func isHost(s string) bool {
	if strings.Contains(s, "/") {
		_, err := netip.ParsePrefix(s)
		return err == nil
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	numeric := strings.Trim(s, "0123456789.") == ""
	return !numeric && !strings.Contains(s, ":") && isHostName(s)
}

func isHostName(s string) bool {
	for i := range len(s) {
		if !isHostByte(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '-' && len(s) <= 253
}

func isHostByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		return true
	default:
		return false
	}
}

// notify reads whom the built-in response "notify" tells.
func (l *loader) notify(n *xmlconf.Node) {
	target := &l.cfg.ActiveResponse.Notify
	for _, c := range n.Children {
		switch c.Name {
		case "url":
			l.notifyURL(c, &target.URL)
		case "command":
			argv := strings.Fields(value(c))
			if len(argv) == 0 || !path.IsAbs(argv[0]) {
				l.bad(c.PosAt(0), "write the whole path of the program; no shell runs it", "notify command is %.60q", value(c))
				continue
			}
			target.Command = argv
		default:
			l.bad(c.Pos, didYouMean(c.Name, []string{"url", "command"}), "unknown element <%s> in <notify>", c.Name)
		}
	}
	l.origin(n)
}

func (l *loader) notifyURL(n *xmlconf.Node, target *string) {
	u, err := url.Parse(value(n))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		l.bad(n.PosAt(0), "write https://host/path", "notify url is %.60q", value(n))
		return
	}
	*target = value(n)
}

// global takes white_list from OSSEC's <global>; the rest is the manager's.
func (l *loader) global(section *xmlconf.Node) {
	for _, n := range section.Children {
		if n.Name == "white_list" && !l.src.remote {
			l.whiteList(n)
		}
	}
}

// client notes who the manager is, so that it is never blocked.
func (l *loader) client(section *xmlconf.Node) {
	if l.src.remote {
		return
	}
	for _, n := range section.Children {
		switch n.Name {
		case "server-ip", "server-hostname":
			l.manager(n)
		case "server": // Wazuh's
			for _, c := range n.Children {
				if c.Name == "address" {
					l.manager(c)
				}
			}
		}
	}
}

func (l *loader) manager(n *xmlconf.Node) {
	if v := value(n); isHost(v) {
		l.cfg.Manager.Addresses = append(l.cfg.Manager.Addresses, v)
		l.cfg.Origins["client.server-ip"] = n.Pos
		return
	}
	l.warn(n.PosAt(0), "", "%s %.60q is no address and no host name", n.Name, value(n))
}
