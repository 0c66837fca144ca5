// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"hids/modules/event/courier"
	"hids/platform/control"
	"hids/platform/metrics"
)

// Status is the answer to GET /status.
type Status struct {
	Running string          `json:"running,omitempty"` // trigger of the scan that runs
	Next    time.Time       `json:"next"`              // when the next one is due
	Last    *Summary        `json:"last,omitempty"`
	Scans   int64           `json:"scans"` // since the start
	Took    float64         `json:"scan_seconds"`
	Queue   *courier.Status `json:"queue,omitempty"`
}

// Summary is a report in numbers.
type Summary struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Trigger  string    `json:"trigger"`
	Findings int       `json:"findings"`
	Open     int       `json:"open"` // neither accepted nor mere facts
}

// ScanRequest is the body of POST /scan; no names: every check that is on.
type ScanRequest struct {
	Checks []string `json:"checks"`
}

// AcceptRequest is the body of POST /accept and /withdraw.
type AcceptRequest struct {
	ID   string `json:"id"`
	Note string `json:"note"`
}

// Control answers operators:
//
//	GET  /status    Status
//	GET  /metrics   the same for Prometheus
//	GET  /findings  Report, of the last scan
//	POST /scan      ScanRequest → Report, when the scan is over; 409 while another runs
//	POST /accept    AcceptRequest → Entry
//	POST /withdraw  AcceptRequest → Entry
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.Handle("GET /metrics", metrics.Handler(func(_ context.Context, s *metrics.Set) { d.measure(s) }))
	mux.HandleFunc("GET /findings", d.serveFindings)
	mux.HandleFunc("POST /scan", d.serveScan)
	mux.HandleFunc("POST /accept", d.serveAccept)
	mux.HandleFunc("POST /withdraw", d.serveWithdraw)
	return mux
}

func (d *Daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	st, err := d.fullStatus()
	if err != nil {
		control.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	control.WriteJSON(w, http.StatusOK, st)
}

// fullStatus is status with what the last scan found.
func (d *Daemon) fullStatus() (Status, error) {
	st := d.status()
	report, err := d.store.Report()
	if err != nil {
		return st, err
	}
	if !report.End.IsZero() {
		st.Last = &Summary{report.Start, report.End, report.Trigger, len(report.Entries), len(report.Open())}
	}
	return st, nil
}

// measure puts the status into numbers.
func (d *Daemon) measure(s *metrics.Set) {
	st, err := d.fullStatus()
	s.Bool("hids_rootcheck_report_readable", "Whether what the last scan found can be read.", err == nil)
	s.Bool("hids_rootcheck_scanning", "Whether a scan runs.", st.Running != "")
	s.Counter("hids_rootcheck_scans_total", "Scans made.", st.Scans)
	s.CounterFloat("hids_rootcheck_scan_seconds_total", "Time spent in scans.", st.Took)
	s.Time("hids_rootcheck_next_scan_timestamp_seconds", "When the next scan is due.", st.Next)
	if last := st.Last; last != nil {
		s.Gauge("hids_rootcheck_findings", "Findings of the last scan, accepted ones included.", float64(last.Findings))
		s.Gauge("hids_rootcheck_open_findings", "Findings of the last scan that are neither accepted nor mere facts.", float64(last.Open))
		s.Time("hids_rootcheck_last_scan_timestamp_seconds", "When the last scan ended.", last.End)
		s.Gauge("hids_rootcheck_last_scan_duration_seconds", "How long the last scan took.", last.End.Sub(last.Start).Seconds())
	}
	if st.Queue != nil {
		st.Queue.Measure(s, Name)
	}
}

func (d *Daemon) status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := Status{Running: d.running, Next: d.next, Scans: d.scans, Took: d.took.Seconds()}
	if d.courier != nil {
		q := d.courier.Status()
		st.Queue = &q
	}
	return st
}

func (d *Daemon) serveFindings(w http.ResponseWriter, _ *http.Request) {
	report, err := d.store.Report()
	if err != nil {
		control.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	control.WriteJSON(w, http.StatusOK, report)
}

func (d *Daemon) serveScan(w http.ResponseWriter, r *http.Request) {
	var req ScanRequest
	if !decode(w, r, &req) {
		return
	}
	if _, err := Select(d.checks, &d.config().Rootcheck, req.Checks); err != nil {
		control.WriteError(w, http.StatusBadRequest, err)
		return
	}
	report, err := d.Scan(r.Context(), "scan-now", req.Checks)
	switch {
	case errors.Is(err, ErrBusy):
		control.WriteError(w, http.StatusConflict, err)
	case err != nil:
		control.WriteError(w, http.StatusInternalServerError, err)
	default:
		control.WriteJSON(w, http.StatusOK, report)
	}
}

func (d *Daemon) serveAccept(w http.ResponseWriter, r *http.Request) {
	var req AcceptRequest
	if !decode(w, r, &req) {
		return
	}
	e, err := d.store.Accept(r.Context(), req.ID, req.Note)
	d.answer(w, e, err)
	if err == nil {
		if err := d.events.Emit(r.Context(), e.Event(d.hostname, actionAccepted, "accept", time.Now())); err != nil {
			d.log.Error("event is lost", "err", err)
		}
	}
}

func (d *Daemon) serveWithdraw(w http.ResponseWriter, r *http.Request) {
	var req AcceptRequest
	if !decode(w, r, &req) {
		return
	}
	e, err := d.store.Withdraw(r.Context(), req.ID)
	d.answer(w, e, err)
}

func (d *Daemon) answer(w http.ResponseWriter, e Entry, err error) {
	switch {
	case errors.Is(err, ErrUnknownFinding):
		control.WriteError(w, http.StatusNotFound, err)
	case err != nil:
		control.WriteError(w, http.StatusBadRequest, err)
	default:
		control.WriteJSON(w, http.StatusOK, e)
	}
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(into)
	if err != nil {
		control.WriteError(w, http.StatusBadRequest, err)
	}
	return err == nil
}
