// SPDX-License-Identifier: Apache-2.0

// Package fswalk walks trees in sorted order while many goroutines inspect
// what it finds. The order is that of the paths with each separator taken as a
// NUL byte, so that a directory comes before its content and its content
// before the next name: a reader with a list in the same order can merge the
// two. Directories are opened relative to each other, so the length of a path
// is no limit, links are not followed, and what does not answer in time is
// left behind and reported.
//
// What an inspection is, and what is done with its result, is the caller's
// business; the system calls are fsstat's.
package fswalk

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"hids/platform/fsstat"
)

// Event is what an Item tells.
type Event uint8

// The events.
const (
	// Found: Value holds what the inspector made of Path.
	Found Event = iota
	// Unknown: Path, unless it was Found just before, and all below it that
	// was not told already, could not be looked at. Err says why.
	Unknown
	// Skipped: what is below Path is left out on purpose. Err says why.
	Skipped
	// Alias: Path is a link to a directory that is walked under another name.
	Alias
	// Fault: something else could not be done. It tells nothing of what exists.
	Fault
)

// Item is one step of a walk.
type Item[T any] struct {
	Path  string // raw bytes of the names
	Kind  fsstat.Kind
	Event Event
	Err   error // for people; the path is not in it
	Value T
}

// Errors of items; test with errors.Is.
var (
	ErrHung    = errors.New("the file system does not answer: look at its mount (a dead server, a stopped FUSE daemon)")
	ErrTooLong = errors.New("paths longer than 32,000 bytes are not watched: shorten the names of the folders")
	ErrNetwork = errors.New("a network file system, left out by skip_nfs")
	ErrPseudo  = errors.New("a file system that the kernel makes up, left out")
	ErrLinked  = errors.New("reached through a symbolic link below another watched folder: watch its real path")
)

// MaxPath is the length in bytes above which a path is not walked.
const MaxPath = 32000

// Inspector examines files for one worker; it is never used by two at once.
// When its file system hangs, it is left behind together with its worker.
type Inspector[T any] interface {
	// Inspect puts what it finds into out, which starts out zero.
	Inspect(ctx context.Context, t *Task, out *T)
}

// Task is one file to inspect.
type Task struct {
	Path string
	Kind fsstat.Kind // as the directory told it; look again before relying on it
	// Dir is the open directory that holds the file under Name. Both are
	// valid during the call only. Dir is nil for the root directory.
	Dir  *fsstat.Directory
	Name *fsstat.Name
	// Self is the file itself, open, if it is a directory that is walked.
	Self *fsstat.Directory

	slot *slot
}

// Beat tells that the inspection is alive. Call it between two operations that
// may each take long.
func (t *Task) Beat() { t.slot.beat() }

// Options configure a walk.
type Options[T any] struct {
	// Roots are absolute, clean paths; order and duplicates do not matter.
	// One below another is reached by Choose letting the walk down to it.
	Roots []string
	// Choose decides about each path that is not the first of its root:
	// whether it is an item, and whether its content is looked at. It is
	// called in the order of the walk.
	Choose func(path string, kind fsstat.Kind) (visit, descend bool)
	// Follow reports whether a root that is a link is followed; otherwise it is
	// an item and no more. nil: all are followed.
	Follow func(path string) bool
	// Alias reports whether real, the directory that the root path leads to
	// through a link, is walked anyway.
	Alias func(path, real string) bool
	// Inspector makes one inspector for each worker.
	Inspector   func() Inspector[T]
	Workers     int           // 0: one for each processor
	SkipNetwork bool          // leave network file systems out
	Deadline    time.Duration // for one operation; more than 0
	// Wake, when it can be received from, makes the walk call Pause between two
	// items, or while it waits for one. An error ends the walk. Both may be nil.
	Wake  <-chan struct{}
	Pause func() error
	// Ticks drives the deadline, eight ticks long. nil: a ticker.
	Ticks <-chan time.Time
}

// cancelGrace is how long a cancelled walk waits for operations under way.
const cancelGrace = 2 * time.Second

// Walk walks the roots and calls emit, in order and from this goroutine, with
// each item; the item is valid during the call only. It ends when all is
// walked, ctx ends or emit fails. Then everything it started has ended too,
// save what hangs in the kernel.
func Walk[T any](ctx context.Context, o Options[T], emit func(*Item[T]) error) error {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newMonitor()
	go m.run(ctx, o.Deadline, o.Ticks)
	p := newPool(ctx, &o, m)
	w := newWalker(ctx, &o, p)
	m.wg.Go(w.run)
	err := p.consume(emit)
	cancel()
	m.join()
	p.drain()
	return err
}

// topRoots returns the roots in walk order, each with those below it.
func topRoots(roots []string) [][]string {
	roots = slices.Clone(roots)
	slices.SortFunc(roots, Compare)
	var tops [][]string
	for _, r := range slices.Compact(roots) {
		if n := len(tops); n > 0 && Within(r, tops[n-1][0]) {
			tops[n-1] = append(tops[n-1], r)
			continue
		}
		tops = append(tops, []string{r})
	}
	return tops
}

// Compare orders paths as a walk does.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		if rank(a[i]) < rank(b[i]) {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// rank puts the separator before every byte that a name may hold; NUL is none.
func rank(c byte) byte {
	if c == '/' {
		return 0
	}
	return c
}

// Within reports whether path is dir or below it.
func Within(path, dir string) bool {
	if !strings.HasPrefix(path, dir) {
		return false
	}
	return len(path) == len(dir) || path[len(dir)] == '/' || strings.HasSuffix(dir, "/")
}

func join(dir string, name []byte) string {
	if strings.HasSuffix(dir, "/") {
		return dir + string(name)
	}
	return dir + "/" + string(name)
}
