// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"hids/modules/syscheckd/record"
)

// names finds the other names (hard links) of files that have changed: the
// system tells of a change by the name through which it was made, and of no
// other. Only the loop uses it, but for waiting.
type names struct {
	known   map[inode]*family
	changed map[inode][]string // since the last time, by which names
	unsure  bool               // one of the changed may have names that are not known
	next    time.Time          // no search before
	waiting atomic.Bool
}

// inode is one file, whatever its names. Numbers are used again, so the time of
// its birth is part of it.
type inode struct {
	device, number uint64
	born           int64
}

// family is what is known of the names of a file.
type family struct {
	names    map[string]struct{}
	links    uint64 // how many there are, some perhaps outside of what is watched
	searched uint64 // how many there were when the baseline was searched
}

// Each search reads the whole baseline. So much of the time it may take, and so
// many files with several names are remembered.
const (
	searchShare = 20
	maxFamilies = 8192
)

func newNames() *names { return &names{known: map[inode]*family{}, changed: map[inode][]string{}} }

// note is scan.Live.Names.
func (n *names) note(path string, r *record.Record, gone bool) {
	id := inode{r.Device, r.Inode, r.Btime}
	f := n.known[id]
	if f == nil {
		f = &family{names: map[string]struct{}{}}
		n.known[id] = f
	}
	if gone {
		delete(f.names, path)
	} else {
		f.names[path] = struct{}{}
		f.links = r.Links
	}
	n.changed[id] = append(n.changed[id], path)
	n.unsure = n.unsure || f.links != f.searched
	n.waiting.Store(true)
}

// others returns the names to be looked at because of what has changed, all
// being known, and forgets what has changed.
func (n *names) others() []string {
	var list []string
	for id, by := range n.changed {
		for name := range n.known[id].names {
			if len(by) != 1 || by[0] != name {
				list = append(list, name)
			}
		}
	}
	clear(n.changed)
	if len(n.known) > maxFamilies {
		clear(n.known) // searched for when it is needed again
	}
	n.unsure = false
	n.waiting.Store(false)
	return list
}

// lookAtNames has the other names of what has changed looked at, now or, if the
// baseline was searched a moment ago, in a while.
func (d *Daemon) lookAtNames(ctx context.Context) error {
	n := d.names
	if len(n.changed) == 0 {
		return nil
	}
	if now := time.Now(); n.unsure && now.Before(n.next) {
		time.AfterFunc(n.next.Sub(now), d.alarm)
		return nil
	}
	if n.unsure {
		if err := d.searchNames(ctx); err != nil {
			return err
		}
	}
	d.feed.lookAt(n.others())
	return nil
}

// searchNames completes the names of what has changed.
func (d *Daemon) searchNames(ctx context.Context) error {
	began := time.Now()
	err := d.session.Each(nil, func(path string, r *record.Record) error {
		if r.Type == record.Dir {
			return nil
		}
		id := inode{r.Device, r.Inode, r.Btime}
		if _, ok := d.names.changed[id]; ok {
			d.names.known[id].names[path] = struct{}{}
		}
		return ctx.Err()
	})
	for id := range d.names.changed {
		f := d.names.known[id]
		f.searched = f.links
	}
	d.names.next = time.Now().Add(searchShare * time.Since(began))
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
