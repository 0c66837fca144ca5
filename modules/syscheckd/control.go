// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"net/http"
	"time"

	"hids/modules/event"
	"hids/modules/event/courier"
	"hids/modules/syscheckd/operate"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/control"
)

// Status is the answer of GET /status.
type Status struct {
	Scanning   string           `json:"scanning,omitempty"` // the trigger of the scan that runs
	Files      int64            `json:"files,omitempty"`    // inspected by it so far
	Bytes      int64            `json:"bytes,omitempty"`    // read by it so far
	Path       string           `json:"path,omitempty"`     // what it looks at
	LastScan   session.LastScan `json:"last_scan"`
	Next       time.Time        `json:"next_scan"`
	Changes    int64            `json:"changes"`   // told since the start
	Faults     int64            `json:"faults"`    // files that could not be examined, since the start
	Watched    int              `json:"watched"`   // folders
	Unwatched  int              `json:"unwatched"` // folders for which there was no room
	Overflows  int64            `json:"overflows"` // times that notifications were lost
	Queue      *courier.Status  `json:"queue,omitempty"`
	Registered int              `json:"entries"` // directories configured
}

// status is what the loop keeps for Status.
type status struct {
	began        time.Time
	Next         time.Time
	Changes      int64
	Faults       int64
	faultsSince  time.Time
	faultsLogged int
	progress     *scan.Progress
	trigger      string
}

// task is something asked from outside that the loop does.
type task struct {
	run  func(ctx context.Context) error
	done chan error // has room for one
}

func (t *task) do(ctx context.Context) { t.done <- t.run(ctx) }

// ask lets the loop do something, and waits for it.
func (d *Daemon) ask(ctx context.Context, queue chan *task, run func(context.Context) error) error {
	t := &task{run: run, done: make(chan error, 1)}
	select {
	case queue <- t:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.alarm()
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Daemon) setScanning(p *scan.Progress, trigger string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status.progress, d.status.trigger = p, trigger
}

// Control answers operators: GET /status with a Status, and what package
// operate asks.
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.now())
	})
	mux.Handle("/", operate.Handler(func(ctx context.Context) operate.Target { return &operator{d, ctx} }))
	return mux
}

func (d *Daemon) now() Status {
	watched, unwatched, overflows := 0, 0, int64(0)
	if d.feed != nil {
		watched, unwatched, overflows = d.feed.watching()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{
		Scanning: d.status.trigger, LastScan: session.ReadLastScan(d.env.Layout), Next: d.status.Next,
		Changes: d.status.Changes, Faults: d.status.Faults,
		Watched: watched, Unwatched: unwatched, Overflows: overflows,
		Queue: d.out.status(), Registered: len(d.session.Rules().Directories()),
	}
	if p := d.status.progress; p != nil {
		s.Files, s.Bytes, s.Path = p.Files.Load(), p.Bytes.Load(), event.SafeText(p.Path())
	}
	return s
}
