// SPDX-License-Identifier: Apache-2.0

// Package fswatch tells of changes in folders as they happen. A Watcher watches
// single folders; which ones, and what a change means, is the caller's
// business. It hides how the system's own notification behaves when folders
// are renamed, when its queue overflows and when it has no room for another
// watch. Today there is one backend, fsnotify; another one is another Watcher.
package fswatch

import "errors"

// ErrLimit means that the system refuses another watch. On Linux
// fs.inotify.max_user_watches (sysctl) is the limit.
var ErrLimit = errors.New("limit on watches reached")

// Op is what happened to a name.
type Op uint8

// The operations. Several may come for what a person would call one change.
const (
	Create Op = 1 << iota // made, or moved here
	Write                 // content
	Attrib                // mode, owner, times, attributes; not on Windows
	Remove                // deleted
	Rename                // moved away: the new name, if it is watched, comes as Create
	// Overflow: events were lost, so anything may have changed anywhere. Path
	// is empty.
	Overflow
)

// Event is one notification. Path is the watched folder's path as it was given
// to Add, a slash, and the name in it. It has slashes on Windows too, whatever
// was given, as all paths of a configuration.
type Event struct {
	Path string
	Op   Op
}

// Watcher watches folders, not what is below them. A folder that is deleted or
// renamed is no longer watched. All methods may be called by any goroutine.
//
// A folder that was renamed must be given up under its old name, with all that
// is below it (RemoveTree), before it is added under its new one, or its events
// keep coming under the old name: the kernel's watches follow the folder.
type Watcher interface {
	// Add watches a folder. Adding one twice does no harm.
	Add(dir string) error
	// RemoveTree gives up a watched folder and all watched folders below it. It
	// does nothing for a path that is not watched.
	RemoveTree(dir string)
	// Count is how many folders are watched.
	Count() int
	// Events delivers until Close, in the order of the kernel. Whoever does
	// not read soon enough gets an Overflow.
	Events() <-chan Event
	// Close ends all. It waits until Events is closed.
	Close() error
}
