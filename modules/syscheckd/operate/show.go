// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"hids/modules/event"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/session"
)

// reason is an error without the path, which a fault has already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// shown is the JSON of Show.
type shown struct {
	Path     string      `json:"path"`
	Seen     *event.File `json:"seen"`     // null: it was not there at the last scan
	Accepted *event.File `json:"accepted"` // null: it is not to be there
	From     string      `json:"from,omitempty"`
	Changed  []string    `json:"changed,omitempty"`
	Diff     string      `json:"diff,omitempty"`
}

func (d *doing) show() error {
	if len(d.r.Paths) != 1 {
		return errors.New("show takes one path")
	}
	e, err := d.t.Lookup(d.r.Paths[0])
	if err != nil {
		return err
	}
	if e.Change != nil {
		d.end.Totals.Count(e.Change)
	}
	if d.json() {
		return d.showJSON(e)
	}
	return d.showText(e)
}

func (d *doing) showJSON(e session.Entry) error {
	out := shown{Path: event.SafeText(e.Path), Seen: d.file(e.Path, e.Seen), Accepted: d.file(e.Path, e.Accepted), Diff: e.Inside.Diff}
	if e.Change != nil {
		out.From = event.SafeText(e.Change.From)
		for _, f := range e.Change.Fields {
			out.Changed = append(out.Changed, event.SafeText(f.Name))
		}
	}
	return json.NewEncoder(d.out).Encode(out)
}

func (d *doing) file(path string, r *record.Record) *event.File {
	if r == nil {
		return nil
	}
	return report.File(path, r, d.t.Names())
}

func (d *doing) showText(e session.Entry) error {
	r := e.Seen
	if r == nil {
		r = e.Accepted
	}
	fmt.Fprintln(d.out, event.SafeText(e.Path))
	table := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, row := range report.Rows(r, d.t.Names()) {
		fmt.Fprintf(table, "  %s\t%s\n", row.Name, row.Value)
	}
	state := "accepted"
	if e.Change != nil {
		state = string(e.Change.Action) + ", not accepted: " + report.Detail(e.Change, d.t.Names())
	}
	fmt.Fprintf(table, "  state\t%s\n", state)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := d.out.Write([]byte(e.Inside.Diff))
	return err
}
