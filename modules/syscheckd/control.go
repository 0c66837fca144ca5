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
	"hids/platform/metrics"
)

// Status is the answer of GET /status.
type Status struct {
	Scanning   string           `json:"scanning,omitempty"` // the trigger of the scan that runs
	Files      int64            `json:"files,omitempty"`    // inspected by it so far
	Bytes      int64            `json:"bytes,omitempty"`    // read by it so far
	Path       string           `json:"path,omitempty"`     // what it looks at
	LastScan   session.LastScan `json:"last_scan"`
	Next       time.Time        `json:"next_scan"`
	Changes    int64            `json:"changes"` // told since the start
	Faults     int64            `json:"faults"`  // files that could not be examined, since the start
	Scans      int64            `json:"scans"`   // made since the start, of everything and of parts
	ScanTime   float64          `json:"scan_seconds"`
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
	Scans        int64
	ScanTime     time.Duration
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

// Control answers operators: GET /status with a Status, GET /metrics with the
// same for Prometheus, and what package operate asks.
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.now())
	})
	mux.Handle("GET /metrics", metrics.Handler(func(_ context.Context, s *metrics.Set) { d.now().measure(s) }))
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
		Scans: d.status.Scans, ScanTime: d.status.ScanTime.Seconds(),
		Watched: watched, Unwatched: unwatched, Overflows: overflows,
		Queue: d.out.status(), Registered: len(d.session.Rules().Directories()),
	}
	if p := d.status.progress; p != nil {
		s.Files, s.Bytes, s.Path = p.Files.Load(), p.Bytes.Load(), event.SafeText(p.Path())
	}
	return s
}

// measure puts a status into numbers.
func (st Status) measure(s *metrics.Set) {
	s.Gauge("hids_syscheckd_files", "Files that the last scan of everything found.", float64(st.LastScan.Files))
	s.Gauge("hids_syscheckd_last_scan_bytes", "Bytes that the last scan of everything read.", float64(st.LastScan.Bytes))
	s.Gauge("hids_syscheckd_last_scan_unreadable_files", "Files that the last scan of everything could not read.", float64(st.LastScan.Unread))
	s.Gauge("hids_syscheckd_last_scan_duration_seconds", "How long the last scan of everything took.", st.LastScan.Elapsed.Seconds())
	s.Time("hids_syscheckd_last_scan_timestamp_seconds", "When the last scan of everything ended.", st.LastScan.Ended)
	s.Time("hids_syscheckd_next_scan_timestamp_seconds", "When the next scan is due.", st.Next)
	s.Bool("hids_syscheckd_scanning", "Whether a scan runs.", st.Scanning != "")
	s.Counter("hids_syscheckd_scans_total", "Scans made, of everything and of parts.", st.Scans)
	s.CounterFloat("hids_syscheckd_scan_seconds_total", "Time spent in scans.", st.ScanTime)
	s.Counter("hids_syscheckd_changes_total", "Differences from the baseline that were told.", st.Changes)
	s.Counter("hids_syscheckd_faults_total", "Files and folders that could not be examined.", st.Faults)
	s.Gauge("hids_syscheckd_watches", "Folders that are watched.", float64(st.Watched))
	s.Gauge("hids_syscheckd_unwatched", "Folders for which the system has no watch left.", float64(st.Unwatched))
	s.Counter("hids_syscheckd_overflows_total", "Times that notifications were lost and a scan made up for it.", st.Overflows)
	if st.Queue != nil {
		st.Queue.Measure(s, "syscheckd")
	}
}
