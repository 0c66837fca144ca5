// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"hids/config"
	"hids/config/rules"
	"hids/modules/syscheckd/realtime"
	"hids/platform/fswatch"
	"hids/platform/paths"
)

// How often folders that could not be watched are looked at instead, and how
// many of them are remembered one by one.
const (
	retryEvery   = 5 * time.Minute
	maxUnwatched = 4096
)

// feed collects what happens to watched folders until the loop takes it.
type feed struct {
	rules   *rules.Rules
	layout  paths.Layout
	log     *slog.Logger
	alarm   func() // something is due
	watcher fswatch.Watcher

	mu        sync.Mutex // guards all below
	pending   *realtime.Pending
	unwatched map[string]struct{} // folders without a watch
	retried   time.Time
	overflows int64
	touched   chan struct{} // pending has changed
}

// newFeed starts to watch. Where the system refuses, scans are all there is,
// and that is said.
func newFeed(r *rules.Rules, layout paths.Layout, log *slog.Logger, alarm func()) *feed {
	f := &feed{
		rules: r, layout: layout, log: log, alarm: alarm,
		unwatched: map[string]struct{}{}, retried: time.Now(),
		touched: make(chan struct{}, 1),
	}
	f.pending = realtime.New(f.rootOf)
	watcher, err := fswatch.New(log)
	if err != nil {
		log.Error("files are watched by scans only: no notification from the system", "err", err,
			"hint", "raise fs.inotify.max_user_instances")
		return f
	}
	f.watcher = watcher
	if err := watcher.Add(layout.RunDir()); err != nil {
		log.Debug("requests of agentd are seen once a minute", "err", err)
	}
	f.watchSingles()
	return f
}

// watchSingles watches the folders of entries that are files: the kernel
// watches folders.
func (f *feed) watchSingles() {
	for _, d := range f.rules.Directories() {
		if d.Realtime {
			f.add(path.Dir(d.Path))
		}
	}
}

// rootOf returns the entry that a path belongs to, for looks at whole entries.
func (f *feed) rootOf(p string) (string, bool) {
	d, ok := f.rules.ForDir(p)
	return d.Path, ok
}

// enter watches a folder before it is read. It is called by a walk.
func (f *feed) enter(dir string, entry *config.Directory) {
	if entry.Realtime {
		f.add(dir)
	}
}

func (f *feed) add(dir string) {
	if f.watcher == nil {
		return
	}
	err := f.watcher.Add(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		delete(f.unwatched, dir)
	case errors.Is(err, fswatch.ErrLimit):
		f.cannotWatch(dir, err)
	default:
		// It has gone, or is no folder: the walk that asked will see.
		f.log.Debug("not watched", "path", dir, "err", err)
	}
}

// cannotWatch remembers a folder that has to be looked at from time to time.
func (f *feed) cannotWatch(dir string, err error) {
	if len(f.unwatched) == 0 {
		f.log.Error("no room to watch more folders: those without a watch are looked at every 5 minutes",
			"path", dir, "err", err, "hint", "sysctl fs.inotify.max_user_watches=1048576")
	}
	if len(f.unwatched) >= maxUnwatched {
		if root, ok := f.rootOf(dir); ok {
			dir = root
		}
	}
	f.unwatched[dir] = struct{}{}
}

// retry looks at what could not be watched.
func (f *feed) retry(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.retried) < retryEvery {
		return
	}
	f.retried = now
	for dir := range f.unwatched {
		f.pending.AddTree(dir, now)
	}
	f.touch()
}

// touch makes run look at pending anew. The caller holds mu.
func (f *feed) touch() {
	select {
	case f.touched <- struct{}{}:
	default:
	}
}

// run takes events until ctx ends.
func (f *feed) run(ctx context.Context) error {
	var events <-chan fswatch.Event
	if f.watcher != nil {
		events = f.watcher.Events()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			f.note(e, time.Now())
		case <-f.touched:
		case <-timer.C:
			f.alarm()
			continue // until the loop has taken what is due, which touches
		}
		f.mu.Lock()
		next, waits := f.pending.Next()
		f.mu.Unlock()
		if waits {
			timer.Reset(max(time.Until(next), 0))
		} else {
			timer.Stop()
		}
	}
}

// note keeps what one event means.
func (f *feed) note(e fswatch.Event, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Op&fswatch.Overflow != 0 {
		f.overflow(now)
		return
	}
	if e.Op&(fswatch.Remove|fswatch.Rename) != 0 {
		// Its watches follow a renamed folder; see fswatch.Watcher.
		f.watcher.RemoveTree(e.Path)
	}
	if e.Path == filepath.ToSlash(f.layout.SyscheckRun()) && e.Op&fswatch.Remove == 0 {
		f.alarm()
		return
	}
	if !f.realtime(e.Path) {
		return
	}
	if e.Op&fswatch.Rename != 0 {
		f.pending.Left(e.Path, now)
		return
	}
	f.pending.Add(e.Path, now)
	if e.Op&fswatch.Create != 0 {
		f.pending.Arrived(e.Path, now)
	}
}

// realtime tells whether a path is watched as it changes. Whether it is, or
// was, a folder cannot be known here.
func (f *feed) realtime(p string) bool {
	if _, ignored := f.rules.Ignored(p); ignored {
		return false
	}
	if d, ok := f.rules.For(p); ok && d.Realtime {
		return true
	}
	d, ok := f.rules.ForDir(p)
	return ok && d.Realtime
}

// overflow looks at everything: anything may have changed.
func (f *feed) overflow(now time.Time) {
	f.overflows++
	f.log.Warn("the system lost notifications: all folders watched in real time are looked at",
		"count", f.overflows, "hint", "sysctl fs.inotify.max_queued_events=131072")
	f.addAll(now)
}

// addAll notes that anything watched in real time may have changed. The caller
// holds mu.
func (f *feed) addAll(now time.Time) {
	for _, d := range f.rules.Directories() {
		if d.Realtime {
			f.pending.AddTree(d.Path, now)
		}
	}
}

// lookAtAll has everything that is watched in real time looked at soon.
func (f *feed) lookAtAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addAll(time.Now())
	f.touch()
}

// take returns what is due.
func (f *feed) take(now time.Time) []realtime.Look {
	f.mu.Lock()
	defer f.mu.Unlock()
	looks := f.pending.Due(now)
	f.touch()
	return looks
}

// lookAt has paths looked at soon.
func (f *feed) lookAt(paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, p := range paths {
		if f.realtime(p) {
			f.pending.Add(p, now)
		}
	}
	f.touch()
}

// takeRequest tells whether agentd has asked for a scan. The file with which it
// asks is gone then.
func (f *feed) takeRequest() bool { return os.Remove(f.layout.SyscheckRun()) == nil }

// watching counts folders with and without a watch, and overflows.
func (f *feed) watching() (watched, unwatched int, overflows int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watcher != nil {
		watched = f.watcher.Count()
	}
	return watched, len(f.unwatched), f.overflows
}

func (f *feed) close() error {
	if f.watcher == nil {
		return nil
	}
	return f.watcher.Close()
}
