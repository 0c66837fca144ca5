// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hids/config"
	"hids/modules"
	"hids/modules/event/courier"
	"hids/modules/event/spool"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/wire"
	"hids/platform/paths"
	"hids/platform/queue"
)

// outbox tells OSSEC's manager. Without a queue it does nothing. Only the loop
// uses it, but for run and status.
type outbox struct {
	courier *courier.Courier // nil: there is no manager
	spool   *spool.Spool
	fields  wire.Fields
	debt    bool // the spool was full: the baseline is to be sent again
}

// newOutbox opens the spool where a manager is to be told.
func newOutbox(env modules.Env) (*outbox, error) {
	if !wantsQueue(env) {
		return &outbox{}, nil
	}
	s, err := spool.Open(spool.Options{
		Dir:      filepath.Join(env.Layout.State("syscheckd"), "spool"),
		MaxBytes: env.Config.Settings.SpoolSize,
	})
	if err != nil {
		return nil, err
	}
	return &outbox{
		spool:  s,
		fields: fieldsOf(env),
		courier: &courier.Courier{
			Spool: s, Queue: queue.New(env.Layout.Queue(), env.Layout.QueueWait()), Log: env.Log,
			Never:     func(err error) bool { return errors.Is(err, queue.ErrTooLong) },
			PerSecond: env.Config.Syscheck.MaxEventsPS,
		},
	}, nil
}

// wantsQueue tells whether there is an OSSEC beside hids: its socket exists, or
// a manager is configured and will make it exist.
func wantsQueue(env modules.Env) bool {
	switch env.Config.Settings.Queue {
	case "yes":
		return true
	case "no":
		return false
	}
	return len(env.Config.Manager.Addresses) > 0 || queue.Exists(env.Layout.Queue())
}

// fieldsOf is the number of sums that the manager has seen from this host so
// far: what is configured, else what the replaced OSSEC sent.
func fieldsOf(env modules.Env) wire.Fields {
	switch n := env.Config.Syscheck.SumFields; n {
	case int(wire.Six), int(wire.Seven):
		return wire.Fields(n)
	}
	return installedFields(env.Host)
}

// installedFields reads the version that OSSEC's installer wrote down. OSSEC
// sends six fields before 4.0.0 and seven since.
func installedFields(host paths.Host) wire.Fields {
	text, err := os.ReadFile(host.Path("/etc/ossec-init.conf"))
	if err != nil {
		return wire.Seven
	}
	return parseFields(string(text))
}

func parseFields(init string) wire.Fields {
	for line := range strings.Lines(init) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION=")
		if !ok {
			continue
		}
		var major int
		if _, err := fmt.Sscanf(strings.Trim(value, `"'v`), "%d.", &major); err == nil && major < 4 {
			return wire.Six
		}
	}
	return wire.Seven
}

// wanted tells whether there is a manager to be told.
func (o *outbox) wanted() bool { return o.courier != nil }

// owes tells whether the baseline is to be sent again, now that there is room.
func (o *outbox) owes() bool { return o.debt && o.spool.Stats().Messages == 0 }

func (o *outbox) settleDebt() { o.debt = false }

// run carries messages until ctx ends.
func (o *outbox) run(ctx context.Context) error {
	if o.courier == nil {
		<-ctx.Done()
		return nil
	}
	return o.courier.Run(ctx)
}

func (o *outbox) close() error {
	if o.spool == nil {
		return nil
	}
	return o.spool.Close()
}

func (o *outbox) status() *courier.Status {
	if o.courier == nil {
		return nil
	}
	s := o.courier.Status()
	return &s
}

// sync makes what was told as durable as what the baseline is about to hold.
func (o *outbox) sync() error {
	if o.courier == nil {
		return nil
	}
	return o.courier.Sync()
}

// say sends messages that are not about a file. They are not worth waiting for
// when the spool is full.
func (o *outbox) say(messages ...string) {
	if o.courier == nil {
		return
	}
	for _, m := range messages {
		if err := o.courier.Put([]byte(m)); err != nil {
			return
		}
	}
}

// seeded tells of a file that is in the baseline for the first time.
func (o *outbox) seeded(path string, r *record.Record, entry *config.Directory) error {
	if o.courier == nil || !wire.Told(r) {
		return nil
	}
	err := o.courier.Put(wire.File(path, r, entry.Checks, o.fields))
	if errors.Is(err, spool.ErrFull) {
		o.debt = true
		return nil
	}
	return err
}

// change tells of a change; diff is OSSEC's form of what changed inside. When
// there is no room the change is left for the next scan to find.
func (o *outbox) change(c *scan.Change, diff func(fields int) string) error {
	if o.courier == nil {
		return nil
	}
	messages := o.messages(c, diff)
	if len(messages) == 0 {
		return nil
	}
	err := o.courier.Put(messages...)
	if errors.Is(err, spool.ErrFull) {
		return fmt.Errorf("%w: %w", scan.ErrLater, err)
	}
	return err
}

// messages are what the manager hears of a change. It knows files and symbolic
// links, and of those what a sum holds.
func (o *outbox) messages(c *scan.Change, diff func(fields int) string) [][]byte {
	checks := config.CheckAll
	if c.Entry != nil {
		checks = c.Entry.Checks
	}
	var list [][]byte
	switch {
	case c.Action == scan.Moved:
		if wire.Told(c.Old) {
			list = append(list, wire.Deleted(c.From, c.Old, checks, o.fields))
		}
		if wire.Told(c.New) {
			list = append(list, wire.File(c.Path, c.New, checks, o.fields))
		}
	case c.New == nil:
		if wire.Told(c.Old) {
			list = append(list, wire.Deleted(c.Path, c.Old, checks, o.fields))
		}
	case wire.Told(c.New) || wire.Told(c.Old):
		if c.Old != nil && wire.Told(c.Old) && wire.Sum(c.Old, checks, o.fields) == wire.Sum(c.New, checks, o.fields) {
			return nil // what changed is not in a sum
		}
		list = append(list, wire.Changed(c.Path, c.New, checks, o.fields, diff(int(o.fields))))
	}
	return list
}
