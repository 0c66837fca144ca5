// SPDX-License-Identifier: Apache-2.0

// Package realtime decides which paths are looked at, and when, while
// notifications about them keep coming. It computes with the times it is given;
// reading the notifications and looking at files is the daemon's business.
//
// A path on which nothing has happened for a while is looked at after Settle:
// long enough for the second half of most writes, and for the rename of an
// atomic replace; too short for a person to notice. A path that keeps changing
// is looked at less and less often, up to once in Slowest. Many names in one
// folder become one look at the folder's tree, and too many in all become looks
// at the watched roots, so memory is bounded whatever happens.
package realtime

import (
	"cmp"
	"container/heap"
	"path"
	"slices"
	"strings"
	"time"
)

// The pace of looking.
const (
	Settle  = 3 * time.Millisecond // after the last event of a quiet path
	Slowest = time.Second          // between two looks at a path that keeps changing
	// renameWait is how long the new name of a renamed file may take to come.
	// The kernel tells both at once; the reader may be late.
	renameWait = 200 * time.Millisecond
	// treeSettle is the pause of a tree: each look costs a walk.
	treeSettle = 100 * time.Millisecond
	treeLimit  = 2 * time.Second // a tree that never rests is looked at this often
)

// The bounds on what is kept.
const (
	perFolder = 512  // names in one folder before it is looked at as a tree
	inAll     = 8192 // names before the roots are
)

// Pending is what waits to be looked at. It is not safe for use by several
// goroutines.
type Pending struct {
	// Root returns the watched root that a path lies below, and false if it
	// lies below none.
	Root func(path string) (string, bool)

	items   map[string]*item // by path
	queue   byTime
	folders map[string]int // names waiting, by folder
	recent  map[string]look
	left    string // the last name that was renamed away; "" once its new name is known
}

// item is one path, or one tree, that waits.
type item struct {
	path  string
	tree  bool
	left  bool      // it was renamed away
	first time.Time // when it began to wait
	due   time.Time
	pause time.Duration
	index int // in the queue
}

// look is when a path was last looked at, and how long it had waited.
type look struct {
	at    time.Time
	pause time.Duration
}

// Look is one thing to do: inspect a path, or with Tree all that is below it.
type Look struct {
	Path string
	Tree bool
}

// New returns an empty Pending.
func New(root func(string) (string, bool)) *Pending {
	return &Pending{Root: root, items: map[string]*item{}, folders: map[string]int{}, recent: map[string]look{}}
}

// Len is how many paths and trees wait.
func (p *Pending) Len() int { return len(p.items) }

// Add notes that something happened to a path.
func (p *Pending) Add(name string, now time.Time) {
	if p.absorb(name, now) {
		return
	}
	if it := p.items[name]; it != nil {
		p.postpone(it, now)
		return
	}
	pause := Settle
	if l, ok := p.recent[name]; ok && now.Sub(l.at) < Slowest {
		pause = min(4*l.pause, Slowest)
	}
	p.push(&item{path: name, first: now, due: now.Add(pause), pause: pause})
	folder := path.Dir(name)
	p.folders[folder]++
	switch {
	case p.folders[folder] > perFolder:
		p.AddTree(folder, now)
	case len(p.items) > inAll:
		p.collapse(now)
	}
}

// Left notes that a file was renamed, and under which name it was known. Its new
// name, if it is watched, comes as the next event; the two are looked at
// together, so that a move is told as one.
func (p *Pending) Left(name string, now time.Time) {
	p.Add(name, now)
	// A folder is told to be renamed twice: by the folder it was in, and by
	// itself, after its new name.
	if it := p.items[name]; it != nil && !it.tree && !it.left {
		it.left = true
		it.due = now.Add(renameWait)
		heap.Fix(&p.queue, it.index)
		p.left = name
	}
}

// Arrived notes that the path just added is a new name.
func (p *Pending) Arrived(name string, now time.Time) {
	old, it := p.items[p.left], p.items[name]
	p.left = ""
	if old == nil || it == nil || old.tree || it.tree {
		return
	}
	old.due = it.due
	heap.Fix(&p.queue, old.index)
}

// AddTree notes that anything below a folder, or the folder itself, may have
// changed. What waits below it is done with it.
func (p *Pending) AddTree(name string, now time.Time) {
	if p.absorb(name, now) {
		return
	}
	for _, it := range p.items {
		if within(it.path, name) {
			p.drop(it)
		}
	}
	p.push(&item{path: name, tree: true, first: now, due: now.Add(treeSettle), pause: treeSettle})
}

// absorb lets a waiting tree stand for a path below it.
func (p *Pending) absorb(name string, now time.Time) bool {
	for dir := name; ; {
		if it := p.items[dir]; it != nil && it.tree {
			p.postpone(it, now)
			return true
		}
		parent := path.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// postpone waits for the end of what goes on, but not for ever.
func (p *Pending) postpone(it *item, now time.Time) {
	limit := Slowest
	if it.tree {
		limit = treeLimit
	}
	due := now.Add(it.pause)
	if last := it.first.Add(max(limit, it.pause)); due.After(last) {
		due = last
	}
	it.due = due
	heap.Fix(&p.queue, it.index)
}

// collapse makes everything that waits a look at the roots it lies below.
func (p *Pending) collapse(now time.Time) {
	roots := map[string]bool{}
	for _, it := range p.items {
		if root, ok := p.Root(it.path); ok {
			roots[root] = true
		}
		p.drop(it)
	}
	for root := range roots {
		p.AddTree(root, now)
	}
}

// Next returns when something will be due; false if nothing waits.
func (p *Pending) Next() (time.Time, bool) {
	if len(p.queue) == 0 {
		return time.Time{}, false
	}
	return p.queue[0].due, true
}

// Due takes out all that is due, in order of time.
func (p *Pending) Due(now time.Time) []Look {
	var list []*item
	for len(p.queue) > 0 && !p.queue[0].due.After(now) {
		it := p.queue[0]
		p.drop(it)
		list = append(list, it)
	}
	slices.SortStableFunc(list, func(a, b *item) int {
		return cmp.Or(a.due.Compare(b.due), a.first.Compare(b.first), strings.Compare(a.path, b.path))
	})
	looks := make([]Look, len(list))
	for i, it := range list {
		looks[i] = Look{it.path, it.tree}
		if !it.tree {
			p.recent[it.path] = look{now, it.pause}
		}
	}
	p.forget(now)
	return looks
}

// forget drops the memory of paths that have come to rest.
func (p *Pending) forget(now time.Time) {
	if len(p.recent) < 1024 {
		return
	}
	for name, l := range p.recent {
		if now.Sub(l.at) >= Slowest {
			delete(p.recent, name)
		}
	}
	if len(p.recent) > inAll {
		clear(p.recent)
	}
}

func (p *Pending) push(it *item) {
	p.items[it.path] = it
	heap.Push(&p.queue, it)
}

func (p *Pending) drop(it *item) {
	delete(p.items, it.path)
	heap.Remove(&p.queue, it.index)
	if it.tree {
		return
	}
	folder := path.Dir(it.path)
	if p.folders[folder]--; p.folders[folder] == 0 {
		delete(p.folders, folder)
	}
}

// within tells whether name is dir or lies below it.
func within(name, dir string) bool {
	rest, ok := strings.CutPrefix(name, dir)
	return ok && (rest == "" || dir == "/" || rest[0] == '/')
}

// byTime is the heap of all that waits.
type byTime []*item

func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q byTime) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for package heap.
func (q *byTime) Push(x any) {
	it := x.(*item)
	it.index = len(*q)
	*q = append(*q, it)
}

// Pop is for package heap.
func (q *byTime) Pop() any {
	old := *q
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return it
}
