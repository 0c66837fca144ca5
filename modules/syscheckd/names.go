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
	notes   int                // in changed
	unsure  bool               // one of the changed may have names that are not known
	lost    bool               // there were too many to be noted
	next    time.Time          // no search before
	alarmed time.Time          // the loop is woken then
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

// Each search reads the whole baseline. So much of the time it may take, so many
// files with several names are remembered, and so many of their changes noted:
// a backup made of hard links has millions at once.
const (
	searchShare = 20
	maxFamilies = 8192
	maxNotes    = 2 * maxFamilies
)

func newNames() *names { return &names{known: map[inode]*family{}, changed: map[inode][]string{}} }

// note is scan.Live.Names.
func (n *names) note(path string, r *record.Record, gone bool) {
	n.waiting.Store(true)
	if n.notes >= maxNotes {
		n.lost = true
		return
	}
	n.notes++
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
	n.settle()
	return list
}

// settle forgets what has changed.
func (n *names) settle() {
	clear(n.changed)
	if len(n.known) > maxFamilies {
		clear(n.known) // searched for when it is needed again
	}
	n.notes, n.unsure, n.lost = 0, false, false
	n.waiting.Store(false)
}

// lookAtNames has the other names of what has changed looked at, now or, if the
// baseline was searched a moment ago, in a while.
func (d *Daemon) lookAtNames(ctx context.Context) error {
	n := d.names
	if len(n.changed) == 0 {
		return nil
	}
	if now := time.Now(); (n.unsure || n.lost) && now.Before(n.next) {
		if n.alarmed != n.next {
			n.alarmed = n.next
			time.AfterFunc(n.next.Sub(now), d.alarm)
		}
		return nil
	}
	if n.lost {
		n.settle()
		n.next = time.Now().Add(glance)
		d.feed.lookAtAll()
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
