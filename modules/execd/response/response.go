// SPDX-License-Identifier: Apache-2.0

// Package response is the built-in active responses: what OSSEC ships as shell
// scripts, under the same names and with the same arguments, log line and
// effect. A response runs in a process of its own, as execd or an admin calls
// it; Keeper is the part that runs inside execd. When a response runs, for how
// long, and who may never be blocked is execd's business; how a packet filter,
// a route or an account is changed is in platform.
package response

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hids/config"
	"hids/modules/event"
	"hids/modules/execd/blocks"
	"hids/platform/command"
	"hids/platform/datasync"
	"hids/platform/paths"
)

// UntilVariable names the environment variable in which execd tells a response
// when its block ends, in whole seconds since 1970. Without it, or with 0, the
// packet filter is told no end.
const UntilVariable = "HIDS_UNTIL"

// Env is what a response works with.
type Env struct {
	Layout paths.Layout
	Host   paths.Host
	Config config.ActiveResponse
	Run    command.Func // the system's tools
}

// Request is one call of a response.
type Request struct {
	Script string    // path in the log line: /var/ossec/active-response/bin/firewall-drop.sh
	Args   []string  // add or delete, user, address, alert id, rule id, …; as OSSEC passes them
	Until  time.Time // when execd will delete the block; zero: not known, or never
}

func (r Request) deletes() bool { return r.arg(0) == "delete" }

func (r Request) arg(i int) string {
	if i >= len(r.Args) {
		return ""
	}
	return r.Args[i]
}

// ErrUsage is a request that no host can carry out: an unknown name, another
// action than add and delete, an address or an account that is none, or one
// that may never be the target. Nothing has been changed.
var ErrUsage = errors.New("invalid request")

// ErrNotLogged is about a request that was carried out, but active-responses.log
// could not be written: the manager will not know of it.
var ErrNotLogged = errors.New("done, but not logged")

// A call is a request on its way to the response it names.
type call struct {
	Env
	Request
	kind kind
}

// A kind is one response.
type kind struct {
	name string
	old  string // OSSEC's name for it, without .sh; "": the same
	run  func(context.Context, call) error
	keep keeper // what Keeper puts back after a reboot or a flush
	tool string // the only packet filter it uses; "": the best there is
}

// keeper is the volatile part of the host that a block lives in.
type keeper int

const (
	keepNothing keeper = iota // in a file, or not a state at all
	keepFirewall
	keepRoute
)

func kinds() []kind {
	return []kind{
		{name: "firewall-drop", run: firewallDrop, keep: keepFirewall},
		{name: "nftables-drop", run: firewallDrop, keep: keepFirewall, tool: "nftables"},
		{name: "firewalld-drop", run: firewallDrop, keep: keepFirewall, tool: "firewalld"},
		{name: "pf", run: firewallDrop, keep: keepFirewall, tool: "pf"},
		{name: "ipfw", run: firewallDrop, keep: keepFirewall, tool: "ipfw"},
		{name: "ipfw_mac", run: firewallDrop, keep: keepFirewall, tool: "ipfw_mac"},
		{name: "npf", run: firewallDrop, keep: keepFirewall, tool: "npf"},
		{name: "route-null", run: routeNull, keep: keepRoute},
		{name: "host-deny", run: hostDeny},
		{name: "disable-account", run: disableAccount},
		{name: "ip-customblock", run: customBlock},
		{name: "restart-ossec", run: restart},
		{name: "notify", old: "ossec-tweeter", run: notify},
	}
}

// Names lists every name by which a built-in response is reached, as base name
// of argv[0] or as a word: firewall-drop and firewall-drop.sh.
func Names() []string {
	var names []string
	for _, k := range kinds() {
		for _, name := range k.names() {
			names = append(names, name, name+".sh")
		}
	}
	return names
}

// Commands lists the responses, each by its first name.
func Commands() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// CoversNetworks says whether a response blocks the network of an IPv6 address with
// it, where that is configured: those of packet filters do.
func CoversNetworks(name string) bool {
	k, ok := find(name)
	return ok && k.keep == keepFirewall
}

func (k kind) names() []string {
	if k.old == "" {
		return []string{k.name}
	}
	return []string{k.name, k.old}
}

// find returns the response with one of its names.
func find(name string) (kind, bool) {
	name = strings.TrimSuffix(name, ".sh")
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return slices.Contains(k.names(), name) })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}

// Run carries out one request. The line in active-responses.log is written
// before anything else, as OSSEC's scripts do, and another if it fails. If only
// a line could not be written, the error is ErrNotLogged.
func Run(ctx context.Context, env Env, name string, r Request) error {
	k, ok := find(name)
	if !ok {
		return fmt.Errorf("%w: there is no response %q", ErrUsage, name)
	}
	log := openLog(env.Layout)
	logged := log.called(r)
	err := k.act(ctx, env, r)
	if err != nil {
		logged = errors.Join(logged, log.failed(r, err))
		return errors.Join(fmt.Errorf("%s: %w", k.name, err), logged)
	}
	if logged != nil {
		return fmt.Errorf("%s: %w: %w", k.name, ErrNotLogged, logged)
	}
	return nil
}

func (k kind) act(ctx context.Context, env Env, r Request) error {
	if a := r.arg(0); a != "add" && a != "delete" {
		return fmt.Errorf("%w: the action is %q, but can be add or delete only", ErrUsage, event.SafeText(a))
	}
	return k.run(ctx, call{Env: env, Request: r, kind: k})
}

// recorded returns once execd's record of the block is on the disk, so that no
// power failure leaves something that nobody would undo: execd has written it, and
// flushes it beside us. It is for responses that change what outlives the
// machine. On a disk that can't be flushed they act all the same, and execd tells.
func (c call) recorded() {
	if c.Until.IsZero() {
		return // it is not execd's, or will not be undone
	}
	f, err := os.Open(filepath.Join(c.Layout.State("execd"), blocks.FileName))
	if err != nil {
		return
	}
	defer f.Close()
	_ = datasync.File(f)
}

// ParseAddr reads the address a response is to act on. It takes nothing but one
// IPv4 or IPv6 address: no name that would have to be resolved, no zone, no
// prefix. ::ffff:192.0.2.7 is 192.0.2.7. Addresses that are no other host's are
// refused here too, whatever execd allows.
func ParseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrUsage, invalidIP(s))
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() ||
		addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrUsage, invalidIP(s))
	}
	return addr, nil
}

// invalidIP is an address that a response does not act on. Its text is OSSEC's.
type invalidIP string

func (s invalidIP) Error() string { return "invalid IP: '" + event.SafeText(string(s)) + "'" }
