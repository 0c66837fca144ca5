// SPDX-License-Identifier: Apache-2.0

// Package operate does what an operator asks of syscheckd: scan now, list what
// differs, accept it, show one path, export. The answer comes as frames, in
// this process or from the daemon over its control socket: Do makes them,
// Handler sends them, Ask receives them. What a frame looks like on a terminal,
// and which exit code it means, is the business of package commands; the work
// itself is a Target's.
package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"hids/modules/event"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
)

// The verbs of a Request.
const (
	Scan   = "scan"
	List   = "list"
	Accept = "accept"
	Show   = "show"
	Export = "export"
)

// Request is what an operator asks for.
type Request struct {
	Verb    string
	Paths   []string // absolute and clean, raw bytes; empty: everything
	Format  string   // "text" or "json"; of Export one of report.ExportFormats
	Colours report.Colours
}

// Changes reports whether the request changes anything.
func (r *Request) Changes() bool { return r.Verb == Scan || r.Verb == Accept }

// Target is a baseline with the means to scan: *session.Session, or the daemon.
type Target interface {
	Scan(context.Context, session.Scan) (*scan.Result, error)
	Differing(paths []string, each func(*scan.Change, report.Inside) error) error
	Accept(paths []string) (int64, error)
	Lookup(path string) (session.Entry, error)
	Each(paths []string, each func(path string, r *record.Record) error) error
	Names() report.Names
	Maker(trigger string) *report.Maker
	Where() string
}

// Frame is a piece of an answer. One of its fields is set.
type Frame struct {
	Out   []byte `json:"out,omitempty"`   // for stdout, safe
	Fault string `json:"fault,omitempty"` // something that could not be done, safe
	End   *End   `json:"end,omitempty"`   // the last frame
}

// End sums an answer up.
type End struct {
	Result *scan.Result  `json:"result,omitempty"` // of Scan
	Totals report.Totals `json:"totals"`           // of Scan, List and Show
	Error  *Failure      `json:"error,omitempty"`
}

// Failure is why a request could not be answered, for the other end of a
// socket.
type Failure struct {
	Text string `json:"text"`
	Kind string `json:"kind,omitempty"` // one of failures
}

// failures are the errors that keep their identity on the way.
func failures() map[string]error {
	return map[string]error{
		"unknown": session.ErrUnknown, "not_watched": scan.ErrNotWatched,
		"none": baseline.ErrNone, "busy": baseline.ErrBusy, "canceled": context.Canceled,
	}
}

func failure(err error) *Failure {
	for kind, known := range failures() {
		if errors.Is(err, known) {
			return &Failure{event.SafeText(err.Error()), kind}
		}
	}
	return &Failure{Text: event.SafeText(err.Error())}
}

// Unwrap returns the error that the failure stands for, so that errors.Is works
// at both ends.
func (f *Failure) Unwrap() error { return failures()[f.Kind] }

// Error implements error.
func (f *Failure) Error() string { return f.Text }

// Progress is where a scan counts; a remote one does not.
type Progress = scan.Progress

// Do answers a request with frames to send. The error is also in the End, which
// is sent in any case; an error of send ends the answer.
func Do(ctx context.Context, t Target, r Request, progress *Progress, send func(Frame) error) error {
	d := &doing{t, r, &frameWriter{send: send}, send, &End{}}
	err := d.do(ctx, progress)
	if err == nil {
		err = d.out.Flush()
	}
	if err != nil {
		d.end.Error = failure(err)
	}
	return errors.Join(err, send(Frame{End: d.end}))
}

type doing struct {
	t    Target
	r    Request
	out  *frameWriter
	send func(Frame) error
	end  *End
}

func (d *doing) do(ctx context.Context, progress *Progress) error {
	switch d.r.Verb {
	case Scan:
		return d.scan(ctx, progress)
	case List:
		return d.list()
	case Accept:
		return d.accept()
	case Show:
		return d.show()
	case Export:
		return d.export()
	}
	return fmt.Errorf("unknown request %q", d.r.Verb)
}

func (d *doing) json() bool { return d.r.Format == "json" }

// scan scans and tells what differs from the accepted state, which is more than
// what this scan found if earlier changes wait to be accepted.
func (d *doing) scan(ctx context.Context, progress *Progress) error {
	result, err := d.t.Scan(ctx, session.Scan{
		Paths: d.r.Paths, Trigger: "scan-now", Progress: progress,
		Fault: func(f scan.Fault) { _ = d.send(Frame{Fault: faultText(f)}) }, // the End tells if nobody listens
	})
	if err != nil {
		return err
	}
	d.end.Result = result
	if err := d.list(); err != nil || d.json() {
		return err
	}
	return d.seeded(result)
}

// seeded says what a first scan did, and where.
func (d *doing) seeded(r *scan.Result) error {
	switch {
	case r.First:
		fmt.Fprintf(d.out, "baseline made: %s, %s\n", report.Files(r.Seeded), report.Size(r.Bytes))
		fmt.Fprintf(d.out, "it is in %s\n", event.SafeText(d.t.Where()))
	case r.Seeded > 0:
		fmt.Fprintf(d.out, "baseline extended: %s that are watched now\n", report.Files(r.Seeded))
	}
	if r.Dropped > 0 {
		fmt.Fprintf(d.out, "baseline reduced: %s that are no longer watched\n", report.Files(r.Dropped))
	}
	return d.out.Flush()
}

// faultText tells a fault with its path once, and safe: an error of the system
// quotes the path as it is.
func faultText(f scan.Fault) string {
	text := event.SafeText(f.Path) + ": " + event.SafeText(reason(f.Err))
	if f.Unknown {
		text += " (all below it is left as it was)"
	}
	return text
}

// printer is a report.List, or its likeness in JSON.
type printer interface {
	Add(c *scan.Change, in report.Inside) error
	Flush() error
}

func (d *doing) printer() printer {
	if d.json() {
		return &jsonPrinter{json.NewEncoder(d.out), d.t.Maker("scan-now")}
	}
	return report.NewList(d.out, d.t.Names(), d.r.Colours)
}

type jsonPrinter struct {
	enc   *json.Encoder
	maker *report.Maker
}

func (j *jsonPrinter) Add(c *scan.Change, in report.Inside) error {
	return j.enc.Encode(j.maker.Event(c, in))
}

func (j *jsonPrinter) Flush() error { return nil }

func (d *doing) list() error {
	out := d.printer()
	err := d.t.Differing(d.r.Paths, func(c *scan.Change, in report.Inside) error {
		d.end.Totals.Count(c)
		return out.Add(c, in)
	})
	return errors.Join(err, out.Flush())
}

func (d *doing) accept() error {
	n, err := d.t.Accept(d.r.Paths)
	if err != nil {
		return err
	}
	switch {
	case d.json():
		return json.NewEncoder(d.out).Encode(map[string]int64{"accepted": n})
	case n == 0:
		_, err = io.WriteString(d.out, "nothing to accept\n")
	case n == 1:
		_, err = io.WriteString(d.out, "accepted 1 change\n")
	default:
		_, err = io.WriteString(d.out, "accepted "+report.Count(n)+" changes\n")
	}
	return err
}

func (d *doing) export() error {
	e, err := report.NewExporter(d.r.Format, d.out, d.t.Names())
	if err != nil {
		return err
	}
	return d.t.Each(d.r.Paths, e.Write)
}

// frameSize is how much output is collected before it is sent.
const frameSize = 32 << 10

// frameWriter sends what is written to it as frames.
type frameWriter struct {
	send func(Frame) error
	buf  bytes.Buffer
}

func (w *frameWriter) Write(p []byte) (int, error) {
	w.buf.Write(p)
	if w.buf.Len() < frameSize {
		return len(p), nil
	}
	return len(p), w.Flush()
}

func (w *frameWriter) Flush() error {
	if w.buf.Len() == 0 {
		return nil
	}
	defer w.buf.Reset()
	return w.send(Frame{Out: slices.Clone(w.buf.Bytes())})
}
