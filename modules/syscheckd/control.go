// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"hids/modules/event"
	"hids/modules/event/courier"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/control"
)

// Paths is the body of POST /scan and POST /accept.
type Paths struct {
	Paths []string `json:"paths"` // absolute; none: everything
}

// Scanned is the answer of POST /scan.
type Scanned struct {
	Result *scan.Result `json:"result"`
}

// Accepted is the answer of POST /accept.
type Accepted struct {
	Accepted int64 `json:"accepted"` // differences there were
}

// Status is the answer of GET /status.
type Status struct {
	Scanning   string           `json:"scanning,omitempty"` // the trigger of the scan that runs
	Files      int64            `json:"files,omitempty"`    // inspected by it so far
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

// Control answers operators:
//
//	GET  /status                           Status
//	POST /scan         Paths → Scanned     after the scan
//	GET  /differences  ?path=…             events, one JSON object a line
//	POST /accept       Paths → Accepted
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.now())
	})
	mux.HandleFunc("POST /scan", d.serveScan)
	mux.HandleFunc("POST /accept", d.serveAccept)
	mux.HandleFunc("GET /differences", d.serveDifferences)
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
		s.Files, s.Path = p.Files.Load(), event.SafeText(p.Path())
	}
	return s
}

// maxBody bounds what an operator may send.
const maxBody = 1 << 20

// readPaths reads and checks the body of a request.
func readPaths(r *http.Request) ([]string, error) {
	var body Paths
	dec := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	return checkPaths(body.Paths)
}

func checkPaths(list []string) ([]string, error) {
	for i, p := range list {
		if !filepath.IsAbs(p) {
			return nil, fmt.Errorf("path %q is not absolute", p)
		}
		list[i] = filepath.Clean(p)
	}
	return list, nil
}

func (d *Daemon) serveScan(w http.ResponseWriter, r *http.Request) {
	paths, err := readPaths(r)
	if err != nil {
		control.WriteError(w, http.StatusBadRequest, err)
		return
	}
	var answer Scanned
	err = d.ask(r.Context(), d.long, func(ctx context.Context) error {
		result, err := d.scan(ctx, session.Scan{Paths: paths, Trigger: "scan-now"})
		answer.Result = result
		return err
	})
	switch {
	case errors.Is(err, scan.ErrNotWatched):
		control.WriteError(w, http.StatusUnprocessableEntity, err)
	case err != nil:
		control.WriteError(w, http.StatusInternalServerError, err)
	default:
		control.WriteJSON(w, http.StatusOK, answer)
	}
}

func (d *Daemon) serveAccept(w http.ResponseWriter, r *http.Request) {
	paths, err := readPaths(r)
	if err != nil {
		control.WriteError(w, http.StatusBadRequest, err)
		return
	}
	var answer Accepted
	err = d.ask(r.Context(), d.quick, func(context.Context) error {
		n, err := d.session.Accept(paths)
		answer.Accepted = n
		return err
	})
	if err != nil {
		control.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	control.WriteJSON(w, http.StatusOK, answer)
}

// serveDifferences collects in the loop and writes outside of it: a slow reader
// must not hold anybody up.
func (d *Daemon) serveDifferences(w http.ResponseWriter, r *http.Request) {
	paths, err := checkPaths(slices.Clone(r.URL.Query()["path"]))
	if err != nil {
		control.WriteError(w, http.StatusBadRequest, err)
		return
	}
	var events []*event.Event
	maker := d.session.Maker("scan-now")
	err = d.ask(r.Context(), d.quick, func(context.Context) error {
		return d.session.Differing(paths, func(c *scan.Change, in report.Inside) error {
			events = append(events, maker.Event(c, in))
			return nil
		})
	})
	if err != nil {
		control.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return
		}
	}
}
