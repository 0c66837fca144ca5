// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"sync/atomic"

	"hids/platform/metrics"
)

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
	Waiting    int   `json:"waiting"`     // requests to be decided, programs for a place or for one before them
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
	waiting := d.backlog.left() // first: what leaves it meanwhile is in the lanes
	out.Running, out.Waiting = d.lanes.count()
	out.Waiting += waiting
	out.Blocks = d.store.Len()
	return out
}

// measure puts counts into numbers for Prometheus.
func (st Stats) measure(s *metrics.Set) {
	const requests = "hids_execd_requests_total"
	for _, r := range []struct {
		result string
		n      int64
	}{
		{"accepted", st.Accepted}, {"merged", st.Merged}, {"refused", st.Refused},
		{"overload", st.Overload}, {"absent", st.Absent}, {"invalid", st.Invalid},
	} {
		s.Counter(requests, "Requests, by what became of them; merged: into a block that was in force.", r.n, "result", r.result)
	}
	s.Counter("hids_execd_received_total", "Datagrams that came on execq.", st.Received)
	s.Counter("hids_execd_responses_started_total", "Response programs that were started, those that undo included.", st.Started)
	s.Counter("hids_execd_responses_failed_total", "Response programs that could not be started or ended badly.", st.Failed)
	s.Counter("hids_execd_responses_timed_out_total", "Response programs that were ended at their deadline.", st.TimedOut)
	s.Gauge("hids_execd_responses_running", "Response programs that run.", float64(st.Running))
	s.Gauge("hids_execd_responses_waiting", "Requests and response programs that wait for a place or for a program before them.", float64(st.Waiting))
	s.Gauge("hids_execd_blocks_active", "Blocks in force.", float64(st.Blocks))
	s.Counter("hids_execd_blocks_undone_total", "Blocks that were undone.", st.Undone)
	s.Counter("hids_execd_undo_failures_total", "Tries to undo a block that failed; each is repeated.", st.UndoFailed)
	s.Counter("hids_execd_journal_errors_total", "Writes of the journal of blocks that failed.", st.Unsaved)
	s.Counter("hids_execd_events_dropped_total", "Events that nobody took in time.", st.Untold)
}
