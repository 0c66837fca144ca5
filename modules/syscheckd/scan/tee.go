// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"io"

	"hids/config"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

// Content takes the content of one file, in order. Exactly one of Done and
// Abandon ends it: Done after the whole file was read and did not change
// meanwhile, Abandon otherwise. Its errors are its own business: they change
// nothing in what a scan finds.
type Content interface {
	io.Writer
	Done()
	Abandon()
}

// tee hands on what is read of a file to whoever wants its content.
type tee struct{ to Content }

// begin asks who wants the content of a regular file, before each read of it.
func (in *inspector) begin(t *fswalk.Task) {
	in.tee.end(false) // of a read before, in which the file changed
	if in.o.Content == nil || t.Kind == fsstat.Symlink {
		return
	}
	if d, ok := in.o.Rules.For(t.Path); ok && d.ReportChanges {
		in.tee.to = in.o.Content(t.Path, own(d))
	}
}

// own moves an entry to the heap, for the few files that need it there.
func own(d config.Directory) *config.Directory { return &d }

func (t *tee) write(b []byte) {
	if t.to != nil {
		_, _ = t.to.Write(b)
	}
}

func (t *tee) end(whole bool) {
	switch {
	case t.to == nil:
		return
	case whole:
		t.to.Done()
	default:
		t.to.Abandon()
	}
	t.to = nil
}
