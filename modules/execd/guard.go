// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"hids/platform/netinfo"
	"hids/platform/paths"
)

// freshness is how old what is known of the network may be: an administrator
// who has just logged in is safe this soon.
const freshness = 2 * time.Second

// Names on the white list, and of the manager, are looked up beside everything
// else, this often.
const (
	lookupEvery   = 10 * time.Minute
	lookupRetry   = 30 * time.Second
	lookupTimeout = 20 * time.Second
)

// sources are where the guard learns whom never to block.
type sources struct {
	own, gateways, resolvers, admins func() ([]netip.Addr, error)
	lookup                           func(ctx context.Context, host string) ([]netip.Addr, error)
	now                              func() time.Time
}

func systemSources(h paths.Host) sources {
	return sources{
		own:       netinfo.Own,
		gateways:  func() ([]netip.Addr, error) { return netinfo.Gateways(h) },
		resolvers: func() ([]netip.Addr, error) { return netinfo.Resolvers(h) },
		admins:    func() ([]netip.Addr, error) { return netinfo.AdminPeers(h) },
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		now: time.Now,
	}
}

// guard is the never-block list.
type guard struct {
	src sources
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	allowed  []allowance
	names    map[string]string     // host name to why it is on the list
	resolved map[netip.Addr]string // their addresses to why
	admins   bool
	host     map[netip.Addr]string // this host's network to why
	last     map[string][]netip.Addr
	failing  map[string]bool
	asOf     time.Time
	changed  chan struct{} // names has changed
}

// allowance is one entry of white_list.
type allowance struct {
	prefix netip.Prefix
	why    string
}

func newGuard(src sources, log *slog.Logger) *guard {
	return &guard{
		src: src, log: log, last: map[string][]netip.Addr{}, failing: map[string]bool{},
		changed: make(chan struct{}, 1),
	}
}

// configure takes a new white list and manager over.
func (g *guard) configure(whiteList, manager []string, protectAdmins bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed, g.names, g.admins = nil, map[string]string{}, protectAdmins
	g.asOf = time.Time{}
	for _, entry := range whiteList {
		g.allow(entry, "white_list "+entry)
	}
	for _, entry := range manager {
		g.allow(entry, "the manager "+entry)
	}
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

func (g *guard) allow(entry, why string) {
	entry = strings.TrimSpace(entry)
	if p, ok := parsePrefix(entry); ok {
		g.allowed = append(g.allowed, allowance{prefix: p, why: why})
		return
	}
	// OSSEC's list may hold patterns (^localhost.localdomain$); a plain name
	// is what can be looked up.
	if name := strings.Trim(entry, "^$"); isHostName(name) {
		g.names[name] = why
		return
	}
	g.log.Warn("never-block list: entry is neither address, prefix nor host name and is left out", "entry", entry)
}

// parsePrefix reads an address, a prefix, or an address with a dotted mask.
func parsePrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = netinfo.Plain(a)
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	if addr, mask, ok := strings.Cut(s, "/"); ok && strings.Contains(mask, ".") {
		m, err := netip.ParseAddr(mask)
		if err != nil || !m.Is4() {
			return netip.Prefix{}, false
		}
		b := m.As4()
		ones, bits := net.IPMask(b[:]).Size()
		if bits == 0 { // the mask has holes
			return netip.Prefix{}, false
		}
		s = fmt.Sprintf("%s/%d", addr, ones)
	}
	p, err := netip.ParsePrefix(s)
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err == nil
}

// check says why an address must not be blocked, or "". bits is how much of an
// IPv6 address a block will cover: nobody on the list may be within.
func (g *guard) check(a netip.Addr, bits int) string {
	a = netinfo.Plain(a)
	switch {
	case a.IsLoopback():
		return "it is a loopback address"
	case a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "it is no host's address"
	}
	target := netip.PrefixFrom(a, a.BitLen())
	if a.Is6() && bits > 0 && bits < 128 {
		target = netip.PrefixFrom(a, bits).Masked()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.src.now(); now.Sub(g.asOf) > freshness || now.Before(g.asOf) {
		g.learn(now)
	}
	for _, al := range g.allowed {
		if al.prefix.Overlaps(target) {
			return "it is on the list: " + al.why
		}
	}
	return cmp.Or(within(target, g.host), within(target, g.resolved))
}

func within(target netip.Prefix, known map[netip.Addr]string) string {
	if target.IsSingleIP() {
		return known[target.Addr()]
	}
	for a, why := range known {
		if target.Contains(a) {
			return why
		}
	}
	return ""
}

// refresh learns about the network before the first request does.
func (g *guard) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.learn(g.src.now())
}

// learn asks all sources. One that fails has its last answer, and is said when
// it begins to fail.
func (g *guard) learn(now time.Time) {
	host := map[netip.Addr]string{}
	g.ask(host, "an address of this host", g.src.own)
	g.ask(host, "a default gateway of this host", g.src.gateways)
	g.ask(host, "a resolver of this host", g.src.resolvers)
	if g.admins {
		g.ask(host, "the peer of an administrator's session", g.src.admins)
	}
	g.host, g.asOf = host, now
}

func (g *guard) ask(into map[netip.Addr]string, what string, source func() ([]netip.Addr, error)) {
	addrs, err := source()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil && !g.failing[what] {
		g.log.Warn("never-block list: a part is not known, what was known before is used", "part", what, "err", err)
	}
	g.failing[what] = err != nil
	if err == nil {
		g.last[what] = addrs
	}
	for _, a := range g.last[what] {
		if a = netinfo.Plain(a); into[a] == "" {
			into[a] = "it is " + what
		}
	}
}

// resolve keeps the addresses of names up to date, beside the requests: a
// resolver that does not answer delays nobody.
func (g *guard) resolve(ctx context.Context) {
	for {
		pause := lookupEvery
		if !g.lookUp(ctx) {
			pause = lookupRetry
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-g.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// lookUp looks every name up once, and says whether all were found. A name that
// is not found keeps the addresses it had.
func (g *guard) lookUp(ctx context.Context) bool {
	g.mu.Lock()
	names := maps.Clone(g.names)
	g.mu.Unlock()
	all := true
	found := map[netip.Addr]string{}
	for name, why := range names {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		addrs, err := g.src.lookup(ctx, name)
		cancel()
		if err != nil {
			all = false
			g.keepOld(found, why)
			g.log.Warn("never-block list: name can't be looked up", "name", name, "err", err)
		}
		for _, a := range addrs {
			found[netinfo.Plain(a)] = "it is on the list: " + why
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resolved = found
	return all
}

func (g *guard) keepOld(into map[netip.Addr]string, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for a, w := range g.resolved {
		if strings.HasSuffix(w, why) {
			into[a] = w
		}
	}
}
