// SPDX-License-Identifier: Apache-2.0

package fswatch

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// notifier is a Watcher over fsnotify: inotify(7) on Linux, kqueue on the BSDs
// and macOS, ReadDirectoryChangesW on Windows, where each watched folder costs a
// handle and a 64 KiB buffer.
type notifier struct {
	inner  *fsnotify.Watcher
	events chan Event
	log    *slog.Logger
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	dirs  map[string]identity
	byID  map[identity]string // the same the other way round; not the unknown
	above map[string]int      // for each folder above a watched one, how many of those there are
}

// identity tells one folder from others, whatever its name. The zero identity
// is that of all folders on systems where a watch belongs to a path.
type identity struct {
	device, inode uint64
	born          int64 // numbers of inodes are used again
}

// New starts a Watcher.
func New(log *slog.Logger) (Watcher, error) {
	inner, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("start watching folders: %w", limit(err))
	}
	n := &notifier{
		inner:  inner,
		events: make(chan Event, 1024),
		log:    log,
		done:   make(chan struct{}),
		dirs:   map[string]identity{},
		byID:   map[identity]string{},
		above:  map[string]int{},
	}
	go n.pump()
	return n, nil
}

// attempts is how often a folder is added that is another one each time.
const attempts = 8

// Add knows which folder it is that has the name. fsnotify knows names only,
// while a watch of inotify(7) is on the folder: asked for a folder that it knows
// under another name it goes on with that one, and asked so for a name that it
// knows too it loses both. So it is never asked for what it knows.
func (n *notifier) Add(dir string) error {
	dir = filepath.ToSlash(dir)
	n.mu.Lock()
	defer n.mu.Unlock()
	for range attempts {
		id, err := identify(dir)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if n.known(dir, id) {
			return nil
		}
		if err := n.inner.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, limit(err))
		}
		if now, err := identify(dir); err == nil && now == id {
			n.remember(dir, id)
			return nil
		}
		n.drop(dir) // whose watch it got is not known
	}
	return fmt.Errorf("watch %s: it is another folder each time", dir)
}

// known tells whether the folder is watched already. Another folder that was
// watched under this name, and this one under a name that it had, are given up.
func (n *notifier) known(dir string, id identity) bool {
	was, ok := n.dirs[dir]
	if ok && was == id {
		return id != (identity{})
	}
	if ok {
		n.removeTree(dir)
	}
	other, ok := n.byID[id]
	if !ok {
		return false
	}
	if still, err := identify(other); err == nil && still == id {
		return true // mounted twice: it has one watch, and is told under one name
	}
	n.removeTree(other)
	return false
}

// count keeps above.
func (n *notifier) count(dir string, by int) {
	for up := path.Dir(dir); up != dir; dir, up = up, path.Dir(up) {
		if n.above[up] += by; n.above[up] == 0 {
			delete(n.above, up)
		}
	}
}

func (n *notifier) RemoveTree(dir string) {
	dir = filepath.ToSlash(dir)
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.dirs[dir]; ok { // most names that vanish are no watched folders
		n.removeTree(dir)
	}
}

func (n *notifier) removeTree(dir string) {
	n.forget(dir)
	if n.above[dir] == 0 {
		return // as when a whole tree is deleted, folder by folder
	}
	below := strings.TrimSuffix(dir, "/") + "/"
	for d := range n.dirs {
		if strings.HasPrefix(d, below) {
			n.forget(d)
		}
	}
}

func (n *notifier) remember(dir string, id identity) {
	if _, twice := n.dirs[dir]; !twice {
		n.count(dir, 1)
	}
	n.dirs[dir] = id
	if id != (identity{}) {
		n.byID[id] = dir
	}
}

func (n *notifier) forget(dir string) {
	delete(n.byID, n.dirs[dir])
	delete(n.dirs, dir)
	n.count(dir, -1)
	n.drop(dir)
}

// drop gives up one watch. That the kernel has given it up already is no error:
// it does so for a folder that is deleted.
func (n *notifier) drop(dir string) {
	if err := n.inner.Remove(dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
		n.log.Debug("give up watching", "path", dir, "err", err)
	}
}

func (n *notifier) Count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dirs)
}

func (n *notifier) Events() <-chan Event { return n.events }

func (n *notifier) Close() error {
	err := n.inner.Close()
	for range n.events { // who read them may have stopped, and pump waits for room
	}
	<-n.done
	return err
}

// pump translates until fsnotify ends.
func (n *notifier) pump() {
	defer close(n.done)
	defer close(n.events)
	errs := n.inner.Errors
	for {
		select {
		case e, ok := <-n.inner.Events:
			if !ok {
				return
			}
			n.deliver(e)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			// Any error may mean that events were lost.
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				n.log.Warn("watching folders", "err", err)
			}
			n.events <- Event{Op: Overflow}
		}
	}
}

func (n *notifier) deliver(e fsnotify.Event) {
	op := translate(e.Op)
	if op == 0 || e.Name == "" {
		return
	}
	n.events <- Event{Path: filepath.ToSlash(e.Name), Op: op}
}

func translate(from fsnotify.Op) Op {
	var op Op
	for _, pair := range [...]struct {
		from fsnotify.Op
		to   Op
	}{
		{fsnotify.Create, Create}, {fsnotify.Write, Write}, {fsnotify.Chmod, Attrib},
		{fsnotify.Remove, Remove}, {fsnotify.Rename, Rename},
	} {
		if from.Has(pair.from) {
			op |= pair.to
		}
	}
	return op
}
