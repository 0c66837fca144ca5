// SPDX-License-Identifier: Apache-2.0

package execd

import "sync/atomic"

// stats counts since the start of the process. Every datagram is counted as
// received and as exactly one of started, queued, merged, refused or invalid.
type stats struct {
	received, invalid, refused, merged   atomic.Int64
	accepted, started, failed, timedOut  atomic.Int64
	undone, undoFailed, overload, absent atomic.Int64
	unsaved                              atomic.Int64
}

// Stats is what GET /status answers.
type Stats struct {
	Received   int64 `json:"received"`    // datagrams
	Invalid    int64 `json:"invalid"`     // no request, or of an unknown name
	Absent     int64 `json:"absent"`      // its program is not on this system
	Refused    int64 `json:"refused"`     // by the never-block list or for who sent it
	Overload   int64 `json:"overload"`    // too many waited already
	Merged     int64 `json:"merged"`      // into a block that was in force
	Accepted   int64 `json:"accepted"`    // to be run
	Started    int64 `json:"started"`     // programs, those that undo included
	Failed     int64 `json:"failed"`      // programs that could not be started or ended badly
	TimedOut   int64 `json:"timed_out"`   // programs that were ended at their deadline
	Undone     int64 `json:"undone"`      // blocks
	UndoFailed int64 `json:"undo_failed"` // tries; each is repeated
	Unsaved    int64 `json:"unsaved"`     // writes of the journal that failed
	Untold     int64 `json:"untold"`      // events nobody took in time
	Running    int   `json:"running"`     // programs now
	Waiting    int   `json:"waiting"`     // programs for a place or for one before them
	Blocks     int   `json:"blocks"`
}

// snapshot is of one moment: what is accepted is running or waiting in it.
func (d *Daemon) snapshot() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counted()
}

// counted is snapshot for a caller that holds mu.
func (d *Daemon) counted() Stats {
	s := &d.stats
	out := Stats{
		Received: s.received.Load(), Invalid: s.invalid.Load(), Absent: s.absent.Load(),
		Refused: s.refused.Load(), Overload: s.overload.Load(), Merged: s.merged.Load(),
		Accepted: s.accepted.Load(), Started: s.started.Load(), Failed: s.failed.Load(),
		TimedOut: s.timedOut.Load(), Undone: s.undone.Load(), UndoFailed: s.undoFailed.Load(),
		Unsaved: s.unsaved.Load(), Untold: d.tell.untold.Load(),
	}
	out.Running, out.Waiting = d.lanes.count()
	out.Blocks = d.store.Len()
	return out
}
