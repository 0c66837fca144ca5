// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	"hids/platform/fswalk"
	"hids/platform/paths"
	"hids/platform/queue"
)

// outbox tells OSSEC's manager. Without a queue it does nothing. Only the loop
// uses it, but for run and status.
type outbox struct {
	courier *courier.Courier // nil: there is no manager
	spool   *spool.Spool
	fields  wire.Fields
	mark    string // the file that says that the manager has heard of all that the baseline holds

	told bool   // there is that file
	late bool   // changes were put off: a scan is to find them again
	debt bool   // the baseline is to be sent, or the rest of it
	from string // where it goes on
}

// newOutbox opens the spool where a manager is to be told. Whoever has the
// baseline open to write has the spool, too.
func newOutbox(env modules.Env) (*outbox, error) {
	o := &outbox{fields: fieldsOf(env), mark: filepath.Join(env.Layout.State("syscheckd"), "told")}
	if !wantsQueue(env) {
		return o, o.unsaid()
	}
	_, err := os.Stat(o.mark)
	o.told = err == nil
	o.spool, err = spool.Open(spool.Options{
		Dir:      filepath.Join(env.Layout.State("syscheckd"), "spool"),
		MaxBytes: env.Config.Settings.SpoolSize,
	})
	if err != nil {
		return nil, err
	}
	o.courier = &courier.Courier{
		Spool: o.spool, Queue: queue.New(env.Layout.Queue(), env.Layout.QueueWait()), Log: env.Log,
		Never:     func(err error) bool { return errors.Is(err, queue.ErrTooLong) },
		PerSecond: env.Config.Syscheck.MaxEventsPS,
	}
	return o, nil
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

// unsaid notes that the baseline is about to hold what the manager has not
// heard of.
func (o *outbox) unsaid() error {
	if o.courier != nil && !o.told {
		return nil
	}
	if err := os.Remove(o.mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note what the manager was told: %w", err)
	}
	o.told = false
	return nil
}

// said notes that the manager hears of all that the baseline holds.
func (o *outbox) said() error {
	if o.courier == nil || o.told {
		return nil
	}
	if err := o.sync(); err != nil {
		return err
	}
	if err := os.WriteFile(o.mark, nil, 0o600); err != nil {
		return fmt.Errorf("note what the manager was told: %w", err)
	}
	o.told = true
	return nil
}

// owe notes from which path on the baseline is to be sent once there is room.
func (o *outbox) owe(path string) {
	if !o.debt || fswalk.Compare(path, o.from) < 0 {
		o.from = path
	}
	o.debt = true
}

// crowded tells that more waits than should be added to without need.
func (o *outbox) crowded() bool {
	s := o.spool.Stats()
	return s.Bytes > s.Limit/4
}

// overdue tells whether changes that were put off are to be found now, once.
func (o *outbox) overdue() bool {
	if !o.late || o.crowded() {
		return false
	}
	o.late = false
	return true
}

// owes tells whether the baseline, or the rest of it, is to be sent, and there
// is room for it.
func (o *outbox) owes() bool { return o.debt && !o.crowded() }

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

// seeded tells of a file that is in the baseline for the first time. Without
// room for it, it is owed with all behind it.
func (o *outbox) seeded(path string, r *record.Record, entry *config.Directory) error {
	if o.debt && fswalk.Compare(path, o.from) >= 0 {
		return nil
	}
	err := o.state(path, r, entry)
	if errors.Is(err, spool.ErrFull) {
		o.owe(path)
		return o.unsaid()
	}
	return err
}

// state tells what a file is.
func (o *outbox) state(path string, r *record.Record, entry *config.Directory) error {
	if o.courier == nil || !wire.Told(r) {
		return nil
	}
	return o.courier.Put(wire.File(path, r, entry.Checks, o.fields))
}

// change tells of a change; diff is OSSEC's form of what changed inside. When
// there is no room the change is left for a scan to find that is made when there
// is.
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
		o.late = true
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
		list = o.gone(c.From, c.Old, checks)
		if wire.Told(c.New) {
			list = append(list, wire.File(c.Path, c.New, checks, o.fields))
		}
	case c.New == nil:
		list = o.gone(c.Path, c.Old, checks)
	case wire.Told(c.New) || wire.Told(c.Old):
		if c.Old != nil && wire.Told(c.Old) && wire.Sum(c.Old, checks, o.fields) == wire.Sum(c.New, checks, o.fields) {
			return nil // what changed is not in a sum
		}
		list = append(list, wire.Changed(c.Path, c.New, checks, o.fields, diff(int(o.fields))))
	}
	return list
}

// gone are the messages of a deletion. Only what was told may be told to be
// gone; what may not have been is told before.
func (o *outbox) gone(path string, old *record.Record, checks config.Check) [][]byte {
	if !wire.Told(old) {
		return nil
	}
	var list [][]byte
	if !o.told {
		list = append(list, wire.File(path, old, checks, o.fields))
	}
	return append(list, wire.Deleted(path, old, checks, o.fields))
}
