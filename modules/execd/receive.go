// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"hids/modules/execd/request"
	"hids/platform/execq"
)

// What shares one write of the journal: so many datagrams, of so many bytes.
const (
	maxBatch      = 256
	maxBatchBytes = 1 << 20
)

// senderRules say who may send.
type senderRules struct {
	owner execq.Owner
	// groups returns the supplementary groups of a process.
	groups func(pid int) ([]uint32, error)
}

// newSenderRules lets root, the socket's owner and its group send: whom the
// socket's mode lets in too. The kernel's word is checked all the same, for a
// descriptor can be inherited and a mode can be changed.
func (d *Daemon) newSenderRules() senderRules {
	rules := senderRules{groups: d.groupsOf}
	owner, err := execq.OwnerOf(d.env.Layout.ExecQueue())
	if err != nil {
		owner = execq.Owner{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	}
	rules.owner = owner
	return rules
}

func (d *Daemon) groupsOf(pid int) ([]uint32, error) {
	data, err := os.ReadFile(d.env.Host.ProcPath(strconv.Itoa(pid), "status"))
	if err != nil {
		return nil, err
	}
	return parseGroups(string(data)), nil
}

// parseGroups reads the Groups line of /proc/PID/status.
func parseGroups(status string) []uint32 {
	var groups []uint32
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "Groups:")
		if !ok {
			continue
		}
		for _, f := range strings.Fields(rest) {
			if n, err := strconv.ParseUint(f, 10, 32); err == nil {
				groups = append(groups, uint32(n))
			}
		}
	}
	return groups
}

func (r senderRules) allow(s execq.Sender) bool {
	if !s.Known || s.UID == 0 || s.UID == r.owner.UID || s.GID == r.owner.GID {
		return true
	}
	groups, err := r.groups(s.PID)
	return err == nil && slices.Contains(groups, r.owner.GID)
}

// message is one datagram and who sent it.
type message struct {
	data []byte
	from execq.Sender
}

// receive takes datagrams until ctx ends. Those that are there together are
// handled together. It never waits for a program.
func (d *Daemon) receive(ctx context.Context, in *execq.Receiver) error {
	rules := d.newSenderRules()
	buf := make([]byte, request.MaxJSON+1)
	for {
		n, from, err := in.Receive(buf, time.Time{})
		if ctx.Err() != nil && err != nil {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			d.ossec(slog.LevelError, 1210, "Queue '%s' not accessible: '%s'.", d.env.Layout.ExecQueue(), err)
			return fmt.Errorf("receive requests: %w", err)
		}
		if err != nil {
			continue
		}
		batch, bytes := []message{{slices.Clone(buf[:n]), from}}, n
		for len(batch) < maxBatch && bytes < maxBatchBytes {
			n, from, err := in.TryReceive(buf)
			if err != nil {
				break // the next Receive tells why
			}
			batch, bytes = append(batch, message{slices.Clone(buf[:n]), from}), bytes+n
		}
		d.take(d.allowed(batch, rules))
		if ctx.Err() != nil {
			return nil
		}
	}
}

// allowed refuses what somebody sent who may not, and returns the rest. It is
// asked at once: later, another process may have the sender's pid.
func (d *Daemon) allowed(batch []message, rules senderRules) []message {
	return slices.DeleteFunc(batch, func(m message) bool {
		if rules.allow(m.from) {
			return false
		}
		d.turnAway(m, "its sender is neither root nor of the socket's group")
		d.stats.received.Add(1)
		return true
	})
}

// handle carries a batch out: all decisions, one write, then the programs. The
// only one of a batch is started right here, which saves a switch.
func (d *Daemon) handle(batch []message) {
	var orders []order
	for _, m := range batch {
		if o, ok := d.read(m); ok {
			orders = append(orders, o)
		}
	}
	ready := d.accept(orders)
	if len(ready) == 1 {
		d.run(ready[0])
	} else {
		for _, j := range ready {
			go d.run(j)
		}
	}
	d.rearm()
}

// order is a request that is understood, with what it stands for here.
type order struct {
	req     request.Request
	entry   entry
	by      string
	timeout *time.Duration // an operator's own
}

// read turns a datagram into an order, or says what is wrong with it.
func (d *Daemon) read(m message) (order, bool) {
	d.log.Debug("request received", "sender_pid", m.from.PID, "sender_uid", m.from.UID, "sender_gid", m.from.GID,
		"sender_known", m.from.Known, "bytes", len(m.data))
	req, err := request.Parse(m.data)
	if errors.Is(err, request.ErrInvalid) {
		d.stats.invalid.Add(1)
		d.ossec(slog.LevelWarn, 1310, "Invalid active response (execd) message '%s'.", clip(m.data))
		return order{}, false
	}
	e, ok := d.find(req)
	if !ok {
		return order{}, false
	}
	if err != nil {
		d.stats.invalid.Add(1)
		d.tellPlain("Invalid number of arguments.")
		return order{}, false
	}
	return order{req: req, entry: e, by: sentBy(m.from)}, true
}

func sentBy(s execq.Sender) string {
	if !s.Known {
		return "request"
	}
	return shared(fmt.Sprintf("pid %d uid %d", s.PID, s.UID))
}

// clip is a datagram for a log line.
func clip(data []byte) string {
	const limit = 256
	s, _, _ := strings.Cut(string(data[:min(len(data), limit+1)]), "\x00")
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
