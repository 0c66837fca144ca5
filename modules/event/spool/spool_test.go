// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func next(t *testing.T, s *Spool) string {
	t.Helper()
	m, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(m)
}

func appendAll(t *testing.T, s *Spool, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := s.Append([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
}

// isEmpty asks without waiting.
func isEmpty(s *Spool) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Next(ctx)
	return errors.Is(err, context.Canceled)
}

func TestOrderAndRepetition(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	appendAll(t, s, "one", "two")
	if got := next(t, s); got != "one" {
		t.Fatalf("first message is %q", got)
	}
	if got := next(t, s); got != "one" {
		t.Fatalf("without Ack the next message is %q, want the same again", got)
	}
	s.Ack()
	if got := next(t, s); got != "two" {
		t.Fatalf("after Ack the next message is %q", got)
	}
	s.Ack()
	if !isEmpty(s) {
		t.Fatal("a message is left")
	}
}

// Where the position can't be written, or a segment that was read can't be
// removed, reading goes on. After a crash messages come again.
func TestPositionCantBeWritten(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 32}
	s := open(t, o)
	for i := range 10 {
		appendAll(t, s, fmt.Sprintf("message %d", i))
	}
	s.posFile.Close()
	for i := range 10 {
		if got, want := next(t, s), fmt.Sprintf("message %d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if err := s.Ack(); err == nil {
			t.Error("nothing is said of the position")
		}
	}
	if got := next(t, open(t, o)); got != "message 8" { // the segment that was not read to its end
		t.Errorf("after a crash comes %q", got)
	}
}

// A position that can't be written for a while leaves no segments behind, nor
// anything that a later reader is stuck at.
func TestPositionFailsForAWhile(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 32}
	s := open(t, o)
	for i := range 10 {
		appendAll(t, s, fmt.Sprintf("message %d which fills its segment", i))
	}
	good := s.posFile
	bad, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	s.posFile = bad
	for range 5 {
		next(t, s)
		_ = s.Ack()
	}
	s.posFile = good
	for range 4 {
		next(t, s)
		if err := s.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	if got := next(t, s); got != "message 9 which fills its segment" {
		t.Errorf("got %q", got)
	}
	if segments, err := s.segments(); err != nil || len(segments) > 2 {
		t.Errorf("segments %v, %v", segments, err)
	}
}

// Where a segment could not be removed and the position is lost, reading steps over
// the numbers that are missing.
func TestMissingSegments(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 32}
	s := open(t, o)
	for i := range 5 {
		appendAll(t, s, fmt.Sprintf("message %d which fills its segment", i))
	}
	for _, seq := range []uint64{2, 3} {
		if err := os.Remove(s.path(seq)); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, o)
	for _, i := range []int{0, 3, 4} {
		if got, want := next(t, s), fmt.Sprintf("message %d which fills its segment", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s.Ack()
	}
}

// A flush that fails keeps no message out for longer than it fails.
func TestRollFails(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), SegmentBytes: 32})
	appendAll(t, s, "one, which fills its segment")
	good := s.out
	bad, err := os.Open(os.DevNull) // can't be flushed
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	s.out = bad
	if err := s.Append([]byte("two")); !errors.Is(err, ErrFull) {
		t.Errorf("on a bad disk: %v", err)
	}
	s.out = good
	appendAll(t, s, "three")
	for _, want := range []string{"one, which fills its segment", "three"} {
		if got := next(t, s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s.Ack()
	}
}

// TestCrash opens the folder again without closing it first, as after kill -9:
// what was not acknowledged comes again, what was does not.
func TestCrash(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 64}
	s := open(t, o)
	for i := range 50 {
		appendAll(t, s, fmt.Sprintf("message %d", i))
	}
	for range 20 {
		next(t, s)
		s.Ack()
	}
	again := open(t, o)
	if got := again.Stats().Messages; got != 30 {
		t.Errorf("after the crash there are %d messages, want 30", got)
	}
	for i := 20; i < 50; i++ {
		if got, want := next(t, again), fmt.Sprintf("message %d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		again.Ack()
	}
	if files, _ := filepath.Glob(filepath.Join(o.Dir, "*.seg")); len(files) != 1 {
		t.Errorf("%d segments are left of an empty spool: %v", len(files), files)
	}
}

func TestTornTail(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	s := open(t, o)
	appendAll(t, s, "whole", "torn apart")
	s.Close()
	seg := filepath.Join(o.Dir, "0000000001.seg")
	info, err := os.Stat(seg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(seg, info.Size()-3); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	if got := s.Stats(); got.Messages != 1 || got.Corrupt != 1 {
		t.Errorf("stats %+v, want 1 message and 1 torn segment", got)
	}
	appendAll(t, s, "after")
	for _, want := range []string{"whole", "after"} {
		if got := next(t, s); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		s.Ack()
	}
}

// TestDamage turns a byte of a segment that is not the newest: the rest of
// that segment is lost and counted, all others arrive.
func TestDamage(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 1}
	s := open(t, o)
	appendAll(t, s, "first", "second", "third")
	seg := s.path(2)
	b, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	b[headerSize] ^= 1
	if err := os.WriteFile(seg, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "third"} {
		if got := next(t, s); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		s.Ack()
	}
	if got := s.Stats(); got.Corrupt != 1 || got.Messages != 0 || got.Bytes != 0 {
		t.Errorf("stats %+v, want one damaged segment and nothing left", got)
	}
}

func TestFull(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), MaxBytes: 40})
	appendAll(t, s, "0123456789", "0123456789")
	if err := s.Append([]byte("0123456789")); !errors.Is(err, ErrFull) {
		t.Fatalf("third append: %v, want ErrFull", err)
	}
	if got := s.Stats().Dropped; got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	next(t, s)
	s.Ack()
	appendAll(t, s, "0123456789")
}

func TestNextWaits(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	got := make(chan string)
	go func() {
		m, _ := s.Next(context.Background())
		got <- string(m)
	}()
	appendAll(t, s, "late")
	if m := <-got; m != "late" {
		t.Errorf("got %q", m)
	}
}

func TestBadMessages(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	for _, size := range []int{0, MaxMessage + 1} {
		if err := s.Append(make([]byte, size)); err == nil {
			t.Errorf("a message of %d bytes was taken", size)
		}
	}
}

// TestModel compares random sequences of operations, crashes among them, with
// a slice.
func TestModel(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := Options{Dir: t.TempDir(), SegmentBytes: int64(rng.IntN(200) + 1)}
		s := open(t, o)
		var want []string
		for n := range 80 {
			switch rng.IntN(5) {
			case 0, 1:
				m := fmt.Sprintf("%d-%0*d", n, rng.IntN(30), n)
				appendAll(t, s, m)
				want = append(want, m)
			case 2, 3:
				if len(want) == 0 {
					continue
				}
				if got := next(t, s); got != want[0] {
					t.Fatalf("seed %d, step %d: got %q, want %q", seed, n, got, want[0])
				}
				s.Ack()
				want = want[1:]
			case 4:
				s = open(t, o)
			}
			if got := s.Stats().Messages; got != int64(len(want)) {
				t.Fatalf("seed %d, step %d: %d messages, want %d", seed, n, got, len(want))
			}
		}
	}
}

// FuzzOpen holds that no content of the folder makes Open or Next fail or hang.
func FuzzOpen(f *testing.F) {
	f.Add(appendFrame(nil, []byte("message")), []byte{})
	f.Add([]byte{1, 0, 0, 0}, make([]byte, positionSize))
	f.Fuzz(func(t *testing.T, segment, pos []byte) {
		o := Options{Dir: t.TempDir()}
		os.WriteFile(filepath.Join(o.Dir, "0000000001.seg"), segment, 0o600)
		os.WriteFile(filepath.Join(o.Dir, "position"), pos, 0o600)
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Append([]byte("last")); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Ack()
			if string(m) == "last" {
				return
			}
		}
	})
}
