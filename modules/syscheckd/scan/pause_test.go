// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
)

// look runs a look at paths of the tree and returns what is told.
func (f *fixture) look(names ...string) []string {
	f.t.Helper()
	f.o.Look = true
	defer func() { f.o.Look = false }()
	_, told := f.run(names...)
	return told
}

func TestLook(t *testing.T) {
	f := newFixture(t, "a", "b", "d/e")
	f.run()
	f.write("a", "other")
	f.remove("b")
	f.write("c", "new")
	f.write("untouched", "not looked at")
	var got []string
	for _, line := range f.look("a", "b", "c", "never") {
		words := strings.Fields(line)
		got = append(got, words[0]+" "+strings.TrimSuffix(words[1], ":"))
	}
	if want := []string{"updated a", "deleted b", "created c"}; !slices.Equal(got, want) {
		t.Errorf("looks tell %q, want %q", got, want)
	}
	if _, told := f.run(); !slices.Equal(told, []string{"created untouched"}) {
		t.Errorf("the next scan tells %q", told)
	}
}

// TestPause changes files in the pauses of a scan, looks at them there, and
// demands that every change is told once, whether the scan had passed the file
// or not.
func TestPause(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("d%02d/f%02d", i/20, i%20))
	}
	f := newFixture(t, names...)
	f.run()

	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	told := map[string]int{}
	count := func(c *Change) error { told[string(c.Action)+" "+f.relative(c.Path)]++; return nil }
	want := map[string]int{}
	step := 0
	outer := f.o
	outer.Live = &Live{Wake: wake, Pause: func() ([]string, error) {
		i := step * 29 % len(names)
		updated, deleted, created := names[i], names[(i+7)%len(names)], fmt.Sprintf("d%02d/new%d", step, step)
		if step++; step > 10 {
			return nil, nil
		}
		wake <- struct{}{}
		f.write(updated, fmt.Sprint("changed in step ", step))
		f.remove(deleted)
		f.write(created, "created")
		want["updated "+updated]++
		want["deleted "+deleted]++
		want["created "+created]++
		looked := []string{f.path(updated), f.path(deleted), f.path(created)}
		inner := f.o
		inner.Look, inner.Paths = true, looked
		_, err := Run(t.Context(), f.db, inner, Events{Change: count})
		return looked, err
	}}
	_, err := Run(t.Context(), f.db, outer, Events{Change: count})
	f.must(err)
	if step < 3 {
		t.Fatalf("the scan paused only %d times", step)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("what was told differs (-want +got):\n%s", diff)
	}
	if _, again := f.run(); len(again) != 0 {
		t.Errorf("the next scan tells %q", again)
	}
}

// TestEnter demands that each watched folder is entered, before what is in it
// is read.
func TestEnter(t *testing.T) {
	f := newFixture(t, "a/b/c", "d/e")
	f.run()
	var entered []string
	f.o.Live = &Live{Enter: func(dir string, entry *config.Directory) {
		if entry.Path != f.root {
			t.Errorf("%s is entered for %s", dir, entry.Path)
		}
		entered = append(entered, f.relative(dir))
		if dir == f.path("d") {
			f.write("d/late", "made while the folder is entered")
		}
	}}
	_, told := f.run()
	if want := []string{".", "a", "a/b", "d"}; !slices.Equal(slices.Sorted(slices.Values(entered)), want) {
		t.Errorf("entered %q, want %q", entered, want)
	}
	if !slices.Equal(told, []string{"created d/late"}) {
		t.Errorf("told %q", told)
	}
}

func TestLater(t *testing.T) {
	f := newFixture(t, "a")
	f.run()
	f.write("a", "other")
	_, err := Run(t.Context(), f.db, f.o, Events{Change: func(*Change) error { return fmt.Errorf("spool: %w", ErrLater) }})
	f.must(err)
	if _, told := f.run(); len(told) != 1 {
		t.Errorf("the next scan tells %q, want the change that was put off", told)
	}
}
