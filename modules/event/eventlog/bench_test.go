// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"os"
	"testing"
)

// BenchmarkHandOver is an event's whole way: encoded in a module, through the
// pipe, checked and written to the log.
func BenchmarkHandOver(b *testing.B) {
	r, f, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	w, err := Open(b.TempDir()+"/hids/events.json", Options{MaxFiles: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Collect(r, func(err error) { b.Error(err) })
	}()
	p, e := NewPipe(f), numbered(1, "/etc/passwd")
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Emit(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	_ = f.Close()
	<-done
	_ = r.Close()
}
