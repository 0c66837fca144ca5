// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"hids/modules/event/courier"
	"hids/platform/control"
)

// Status is the answer to GET /status.
type Status struct {
	Running string          `json:"running,omitempty"` // trigger of the scan that runs
	Next    time.Time       `json:"next"`              // when the next one is due
	Last    *Summary        `json:"last,omitempty"`
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
//	GET  /findings  Report, of the last scan
//	POST /scan      ScanRequest → Report, when the scan is over; 409 while another runs
//	POST /accept    AcceptRequest → Entry
//	POST /withdraw  AcceptRequest → Entry
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /findings", d.serveFindings)
	mux.HandleFunc("POST /scan", d.serveScan)
	mux.HandleFunc("POST /accept", d.serveAccept)
	mux.HandleFunc("POST /withdraw", d.serveWithdraw)
	return mux
}

func (d *Daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	report, err := d.store.Report()
	if err != nil {
		control.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	st := d.status()
	if !report.End.IsZero() {
		st.Last = &Summary{report.Start, report.End, report.Trigger, len(report.Entries), len(report.Open())}
	}
	control.WriteJSON(w, http.StatusOK, st)
}

func (d *Daemon) status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := Status{Running: d.running, Next: d.next}
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
