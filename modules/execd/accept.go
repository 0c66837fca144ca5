// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hids/config/arconf"
	"hids/modules/event"
	"hids/modules/execd/blocks"
	"hids/modules/execd/request"
	"hids/platform/logging"
)

// entry is a line of ar.conf with its program on this system.
type entry struct {
	name    string
	timeout time.Duration
	prog    program
}

func (d *Daemon) tellPlain(text string) {
	d.log.LogAttrs(context.Background(), slog.LevelInfo, text, logging.Plain())
}

func (d *Daemon) programs() programs {
	return programs{bin: d.env.Layout.ResponseBin(), self: d.self}
}

// find looks a request's name up. What is unknown, or not on this system, is
// said; the latter once, as it is normal where one ar.conf serves several
// systems.
func (d *Daemon) find(req request.Request) (entry, bool) {
	found, prog, err := d.lookup(req)
	if errors.Is(err, errUnknown) {
		d.stats.invalid.Add(1)
		d.ossec(slog.LevelError, 1311, "Invalid command name '%s' provided.", req.Name)
		return entry{}, false
	}
	e := entry{name: found.Name, timeout: found.Timeout, prog: prog}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.stats.absent.Add(1)
		d.table.onceFor("no program "+req.Name, func() {
			d.log.Info("response is not on this system: its requests are left out", "response", req.Name)
		})
		return entry{}, false
	case err != nil:
		d.stats.refused.Add(1)
		d.refused(subject{name: req.Name, words: req.Args, program: e.prog.path}, "its program is refused: "+err.Error())
		return entry{}, false
	}
	return e, true
}

// errUnknown is about a name that ar.conf does not have.
var errUnknown = errors.New("unknown name")

// lookup finds the entry of a name, and its program. The error is errUnknown,
// fs.ErrNotExist for a program that is not there, or why it is refused. Wazuh's
// "!program" is no entry: it is run as it is and never undone.
func (d *Daemon) lookup(req request.Request) (arconf.Entry, program, error) {
	p := d.programs()
	if req.Direct {
		prog, err := p.find(req.Name)
		return arconf.Entry{Name: "!" + req.Name, Executable: req.Name}, prog, err
	}
	var prog program
	err := fs.ErrNotExist
	found, known := d.table.lookup(req.Name, func(executable string) bool {
		prog, err = p.find(executable)
		return !errors.Is(err, fs.ErrNotExist)
	})
	if !known {
		return found, prog, errUnknown
	}
	return found, prog, err
}

// judge says why an order must not be carried out, or "". The caller holds mu.
func (d *Daemon) judge(o order, ipv6Prefix int) string {
	if d.stopping {
		return "execd is being stopped"
	}
	if why := refuseUser(o.req.User()); why != "" {
		return why
	}
	t := readTarget(o.req.IP())
	switch tells := o.entry.prog.tellsOnly(); {
	case tells && !strings.HasPrefix(o.req.IP(), "-"):
		return ""
	case t.refuse != "":
		return t.refuse
	case tells || !t.addr.IsValid():
		return ""
	}
	bits := 128
	if o.entry.prog.coversNetworks() {
		bits = ipv6Prefix
	}
	if why := d.guard.check(t.addr, bits); why != "" {
		return "it is never blocked: " + why
	}
	return ""
}

// key tells requests about the same block: the program and the address, as in
// OSSEC, and the user where there is no address or the program acts on users.
func (o order) key(ipv6Prefix int) string {
	user, ip := o.req.User(), o.req.IP()
	if o.entry.prog.aboutUser() {
		return joinKey(o.entry.prog.path, "user", user)
	}
	t := readTarget(ip)
	if !t.addr.IsValid() {
		return joinKey(o.entry.prog.path, ip, user)
	}
	if o.network(ipv6Prefix) > 0 {
		return joinKey(o.entry.prog.path, netip.PrefixFrom(t.addr, ipv6Prefix).Masked().String())
	}
	return joinKey(o.entry.prog.path, t.addr.String())
}

// network is how long the prefix is of the network that is blocked with the order's
// address; 0: the address alone is.
func (o order) network(ipv6Prefix int) int {
	if !o.entry.prog.coversNetworks() || !readTarget(o.req.IP()).addr.Is6() || ipv6Prefix <= 0 || ipv6Prefix >= 128 {
		return 0
	}
	return ipv6Prefix
}

// active returns the block in force that an order is about, and the key of a new
// one. A block may have been made when networks of another size were blocked. The
// caller holds mu.
func (d *Daemon) active(o order) (*blocks.Block, string) {
	key := o.key(d.policy.ipv6Prefix)
	for _, prefix := range append([]int{d.policy.ipv6Prefix, 128}, d.prefixes...) {
		if b := d.store.Active(o.key(prefix)); b != nil {
			return b, key
		}
	}
	return nil, key
}

// knowPrefixes looks which networks are blocked now. The caller holds mu or is alone.
func (d *Daemon) knowPrefixes() {
	d.prefixes = nil
	for _, b := range d.store.List() {
		if b.Prefix > 0 && !slices.Contains(d.prefixes, b.Prefix) {
			d.prefixes = append(d.prefixes, b.Prefix)
		}
	}
}

// joinKey makes one text of its parts, different ones for different parts:
// SafeText leaves no newline in them.
func joinKey(parts ...string) string {
	key := ""
	for _, p := range parts {
		key += event.SafeText(p) + "\n"
	}
	return key
}

func (o order) subject() subject {
	return subject{name: o.entry.name, words: o.req.Args, program: o.entry.prog.path, by: o.by}
}

// accept decides on orders, in their order, writes down what was decided, and
// returns the jobs that may start now.
func (d *Daemon) accept(orders []order) []*job {
	if len(orders) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var jobs []*job
	durable := false
	for _, o := range orders {
		j := d.decide(o)
		if j == nil {
			continue
		}
		jobs = append(jobs, j)
		durable = durable || j.block != nil
	}
	if durable {
		d.save()
	} else {
		d.commit(false)
	}
	return d.enter(jobs)
}

// enter puts jobs into their lanes. The caller holds mu, so that lanes are in
// the order of the table.
func (d *Daemon) enter(jobs []*job) []*job {
	var ready []*job
	for _, j := range jobs {
		if d.lanes.enter(j) {
			ready = append(ready, j)
		}
	}
	return ready
}

// decide enters an order in the table and returns the job it makes, or nil when
// it was refused or merged into a block that is in force. The caller holds mu.
func (d *Daemon) decide(o order) *job {
	if why := d.judge(o, d.policy.ipv6Prefix); why != "" {
		d.stats.refused.Add(1)
		d.refused(o.subject(), why)
		return nil
	}
	b, key := d.active(o)
	if b != nil {
		d.merge(o, b)
		return nil
	}
	if d.lanes.full() {
		d.stats.overload.Add(1)
		d.refused(o.subject(), "too many responses wait to be run")
		return nil
	}
	j := o.job()
	if timeout := o.lasts(); timeout != 0 {
		if d.store.Full() {
			d.stats.overload.Add(1)
			d.refused(o.subject(), fmt.Sprintf("there is no room for more than the %d blocks there are", d.store.Len()))
			return nil
		}
		d.block(o, j, key, timeout)
	}
	d.stats.accepted.Add(1)
	return j
}

func (o order) job() *job {
	return &job{
		action: add, name: o.entry.name, words: o.req.Args, wazuh: o.req.Wazuh, prog: o.entry.prog, by: o.by,
	}
}

// lasts is how long the order's block lasts; 0: it is never undone.
func (o order) lasts() time.Duration {
	if o.timeout != nil {
		return *o.timeout
	}
	return o.entry.timeout
}

// block makes the block of a job. The caller holds mu.
func (d *Daemon) block(o order, j *job, key string, timeout time.Duration) {
	b := blocks.Block{
		Key: key, Lane: key, Name: o.entry.name, Program: o.entry.prog.name, Args: o.req.Args, By: o.by, Timeout: timeout,
		Prefix: o.network(d.policy.ipv6Prefix),
	}
	if w := o.req.Wazuh; w != nil {
		b.Extra, b.Alert = w.Extra, w.Alert
	}
	j.block = d.store.Add(b, d.policy.ladder)
	j.lane, j.until = key, j.block.Until
}

// merge answers an order with the block that is in force: its time begins
// anew, nothing is run. The caller holds mu.
func (d *Daemon) merge(o order, b *blocks.Block) {
	d.stats.merged.Add(1)
	// OSSEC's ladder is not for a repeat without an address.
	climb := readTarget(o.req.IP()).addr.IsValid() || o.entry.prog.aboutUser()
	if o.timeout != nil {
		b.Timeout, climb = *o.timeout, false
	}
	d.store.Extend(b, d.policy.ladder, climb)
	s := o.subject()
	s.block, s.count = b.ID, b.Count
	d.extended(s, b.Until)
	d.renewEnd(b)
}
