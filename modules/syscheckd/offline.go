// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"hids/config"
	"hids/modules"
	"hids/modules/event/spool"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/paths"
)

// Offline is the session of a command that scans while no daemon runs. What it
// finds leaves the manager nothing to find, so messages of it are put into the
// spool, from where the daemon sends them when it runs next.
type Offline struct {
	*session.Session
	out *outbox
}

// OpenOffline opens a session to scan with.
func OpenOffline(o session.Options, host paths.Host) (*Offline, error) {
	s, err := session.Open(o)
	if err != nil {
		return nil, err
	}
	out, err := newOutbox(modules.Env{
		Config: o.Config, Layout: o.Layout, Host: host, Log: slog.New(slog.DiscardHandler), // faults are told instead
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Offline{s, out}, nil
}

// Scan implements operate.Target.
func (o *Offline) Scan(ctx context.Context, s session.Scan) (*scan.Result, error) {
	s.HashLinkTarget = o.out.wanted()
	s.Store = o.out.sync
	// The daemon sends the whole baseline when it starts.
	s.Seeded = func(string, *record.Record, *config.Directory) error { return o.out.unsaid() }
	full := false
	s.Tell = func(c *scan.Change, diff func(int) string) error {
		err := o.out.change(c, diff)
		if !errors.Is(err, spool.ErrFull) {
			return err
		}
		// Who asked must see the change, even if the manager can't.
		if !full && s.Fault != nil {
			s.Fault(scan.Fault{Path: c.Path, Err: fmt.Errorf("the manager is not told: %w", err)})
		}
		full = true
		return nil
	}
	return o.Session.Scan(ctx, s)
}

// Close releases the baseline and the spool.
func (o *Offline) Close() error { return errors.Join(o.out.close(), o.Session.Close()) }
