// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/modules/event"
)

func logPath(t *testing.T) string { return filepath.Join(t.TempDir(), "hids", "events.json") }

func openLog(t *testing.T, path string, o Options) *Writer {
	t.Helper()
	w, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func numbered(n uint64, path string) *event.Event {
	return &event.Event{
		Time:    time.Unix(int64(n), 0).UTC(),
		Message: "File changed",
		Event:   event.Meta{Module: "syscheck", Kind: "alert", Action: "updated", Sequence: n},
		File:    &event.File{Path: path},
	}
}

func emit(t *testing.T, s event.Sink, e *event.Event) {
	t.Helper()
	if err := s.Emit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func sequences(t *testing.T, path string, f Filter) []uint64 {
	t.Helper()
	var got []uint64
	for r, err := range Read(path, f) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Event.Event.Sequence)
	}
	return got
}

func count(from, to uint64) []uint64 {
	var s []uint64
	for n := from; n < to; n++ {
		s = append(s, n)
	}
	return s
}

// Two processes write one log by turns, across rotations: every event is there
// once and in order, and the files stay readable by the group.
func TestTwoWritersRotate(t *testing.T) {
	path := logPath(t)
	a, b := openLog(t, path, Options{MaxSize: 1}), openLog(t, path, Options{MaxSize: 1})
	const n = 60 // of 50 KB each: three files
	for i := range uint64(n) {
		w := a
		if i%2 == 1 {
			w = b
		}
		emit(t, w, numbered(i, "/"+strings.Repeat("x", 50_000)))
	}
	if diff := cmp.Diff(count(0, n), sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "events*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v, want 3", files, err)
	}
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o640 || fi.Size() > 1<<20 {
			t.Errorf("%s: mode %v, %d bytes", filepath.Base(f), fi.Mode(), fi.Size())
		}
	}
}

func TestLogFolderRemoved(t *testing.T) {
	path := logPath(t)
	w := openLog(t, path, Options{})
	emit(t, w, numbered(1, "/a"))
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	emit(t, w, numbered(2, "/a"))
	if diff := cmp.Diff([]uint64{2}, sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
}

// TestConfigure makes an open log smaller: it rotates from then on.
func TestConfigure(t *testing.T) {
	path := logPath(t)
	w := openLog(t, path, Options{MaxSize: 8 << 20})
	write := func(from, to uint64) {
		for n := from; n < to; n++ {
			emit(t, w, numbered(n, "/"+strings.Repeat("x", 100_000)))
		}
	}
	rotated := func() int {
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "events-*.json"))
		return len(files)
	}
	write(1, 16)
	if n := rotated(); n != 0 {
		t.Fatalf("rotated %d times", n)
	}
	if err := w.Configure(Options{MaxSize: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	write(16, 18)
	if n := rotated(); n != 1 {
		t.Errorf("rotated %d times", n)
	}
	if diff := cmp.Diff(count(1, 18), sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
}

// TestLogFolderComesBack has the folder of the log be no folder for a while.
func TestLogFolderComesBack(t *testing.T) {
	path := logPath(t)
	w := openLog(t, path, Options{})
	dir := filepath.Dir(path)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Emit(t.Context(), numbered(1, "/a")); err == nil {
			t.Fatal("written into what is no folder")
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	emit(t, w, numbered(2, "/a"))
	if diff := cmp.Diff([]uint64{2}, sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeBounds(t *testing.T) {
	big := numbered(1, "/a")
	big.HIDS = &event.Details{Diff: strings.Repeat("x", MaxLine), Tags: []string{"t"}}
	line, err := encode(big)
	if err != nil || !bytes.Contains(line, []byte(`["t","diff_dropped"]`)) || len(line) > 1000 {
		t.Errorf("got %d bytes, %v", len(line), err)
	}
	if len(big.HIDS.Tags) != 1 || big.HIDS.Diff == "" {
		t.Error("the caller's event was changed")
	}
	if _, err := encode(numbered(1, strings.Repeat("x", MaxLine))); err == nil {
		t.Error("an event that is too large was taken")
	}
}

// What comes from a module gets into the log if it is an event, and nothing
// else does.
func TestCollect(t *testing.T) {
	path := logPath(t)
	w := openLog(t, path, Options{})
	r, f, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var faults []error
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Collect(r, func(err error) { faults = append(faults, err) })
	}()
	p := NewPipe(f)
	emit(t, p, numbered(0, "/a"))
	for _, bad := range []string{"rubbish\n", "{\"a\":\n", "[1]\n", strings.Repeat("x", 3*MaxLine) + "\n"} {
		if _, err := f.WriteString(bad); err != nil {
			t.Fatal(err)
		}
	}
	for i := uint64(1); i < 2000; i++ {
		emit(t, p, numbered(i, "/a"))
	}
	if _, err := f.WriteString(`{"half":`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if len(faults) != 4 {
		t.Errorf("faults %v, want 4", faults)
	}
	if diff := cmp.Diff(count(0, 2000), sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
}

// A reader that does not read holds Emit up only as long as its context, and
// the event that was cut off does not spoil the next.
func TestPipeWaitsNoLongerThanContext(t *testing.T) {
	r, f, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer f.Close()
	p := NewPipe(f)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- p.Emit(ctx, numbered(1, "/"+strings.Repeat("x", 200_000))) }()
	if _, err := r.Read(make([]byte, 1)); err != nil { // so it has begun to write
		t.Fatal(err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	path := logPath(t)
	w := openLog(t, path, Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Collect(r, func(error) {})
	}()
	emit(t, p, numbered(2, "/b"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if diff := cmp.Diff([]uint64{2}, sequences(t, path, Filter{})); diff != "" {
		t.Error(diff)
	}
}

// Follow starts at what there is, waits, and goes across two rotations.
func TestFollow(t *testing.T) {
	for _, fromEnd := range []bool{false, true} {
		t.Run(fmt.Sprintf("fromEnd=%v", fromEnd), func(t *testing.T) {
			path := logPath(t)
			w := openLog(t, path, Options{MaxSize: 1})
			emit(t, w, numbered(0, "/a"))
			const n = 60
			got := make(chan uint64)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var both sync.WaitGroup
			defer both.Wait()
			defer cancel()
			both.Go(func() {
				defer close(got)
				for r, err := range Follow(ctx, path, Filter{}, fromEnd) {
					if ctx.Err() != nil {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					select {
					case got <- r.Event.Event.Sequence:
					case <-ctx.Done():
						return
					}
				}
			})
			next := uint64(0)
			if fromEnd {
				// Nothing tells from outside when Follow stands at the end, so
				// events are written until one comes out.
				next = firstOf(t, w, got)
			}
			both.Go(func() {
				for i := next; i < n; i++ {
					if i > 0 {
						// Not ctx: the last is read before Emit returns.
						if err := w.Emit(context.WithoutCancel(ctx), numbered(i, "/"+strings.Repeat("x", 50_000))); err != nil {
							t.Error(err)
						}
					}
				}
			})
			for want := next; want < n; want++ {
				if seq, ok := <-got; !ok || seq != want {
					t.Fatalf("got %d, %v, want %d", seq, ok, want)
				}
			}
		})
	}
}

// firstOf writes events 1000 until the follower has seen one and then one
// numbered 1001, after which everything that comes is new.
func firstOf(t *testing.T, w *Writer, got <-chan uint64) uint64 {
	t.Helper()
	seen := false
	for !seen {
		emit(t, w, numbered(1000, "/a"))
		select {
		case seq := <-got:
			if seq != 1000 {
				t.Fatalf("followed from the end, got %d", seq)
			}
			seen = true
		case <-time.After(time.Millisecond):
		}
	}
	emit(t, w, numbered(1001, "/a"))
	for seq := range got {
		if seq == 1001 {
			break
		}
	}
	return 1
}

func TestFilter(t *testing.T) {
	tests := []struct {
		glob, path string
		want       bool
	}{
		{"", "/etc/passwd", true},
		{"/etc/*", "/etc/passwd", true},
		{"/etc/*", "/etc/ssh/sshd_config", false},
		{"/etc/**", "/etc/ssh/sshd_config", true},
		{"*.conf", "/a/b/x.conf", true},
		{"*.conf", "/a.conf/b", false},
		{"/a?c", "/abc", true},
		{"/a?c", "/a/c", false},
		{"/[^x]a", "/ya", true},
		{"/é+(*", "/é+(x", true},
		{"/a*", "/a\nb", true},
	}
	for _, tt := range tests {
		f, err := Filter{}.WithPath(tt.glob)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.match(numbered(1, tt.path)); got != tt.want {
			t.Errorf("%q on %q: got %v", tt.glob, tt.path, got)
		}
	}
	if _, err := (Filter{}).WithPath("/[a"); err == nil {
		t.Error("an open set was taken")
	}
	e := numbered(100, "/a")
	if (Filter{Since: e.Time.Add(1)}).match(e) || !(Filter{Since: e.Time}).match(e) {
		t.Error("since is wrong")
	}
	if (Filter{Module: "execd"}).match(e) || !(Filter{Module: "syscheck"}).match(e) {
		t.Error("module is wrong")
	}
}
