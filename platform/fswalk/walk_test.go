// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/platform/fsstat"
)

// looker is an inspector that notes the size of what it sees.
type looker struct{}

type seen struct {
	size int64
	kind fsstat.Kind
	err  error
}

func (looker) Inspect(_ context.Context, t *Task, out *seen) {
	var st fsstat.Stat
	if t.Self != nil {
		out.err = t.Self.Stat(&st)
	} else {
		out.err = t.Dir.Lstat(t.Name, &st)
	}
	out.size, out.kind = st.Size, st.Kind
}

func options(roots ...string) Options[seen] {
	return Options[seen]{
		Roots:     roots,
		Workers:   3,
		Choose:    func(_ string, k fsstat.Kind) (bool, bool) { return true, true },
		Alias:     func(string, string) bool { return false },
		Inspector: func() Inspector[seen] { return looker{} },
		Deadline:  time.Hour,
	}
}

func collect(t *testing.T, o Options[seen]) []string {
	t.Helper()
	var got []string
	err := Walk(t.Context(), o, func(it *Item[seen]) error {
		line := it.Path
		if it.Event != Found {
			line = fmt.Sprintf("%s: event %d: %v", it.Path, it.Event, it.Err)
		} else if it.Value.err != nil {
			line += ": " + it.Value.err.Error()
		}
		got = append(got, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tree(t *testing.T, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func under(root string, names ...string) []string {
	var paths []string
	for _, n := range names {
		paths = append(paths, filepath.Join(root, n))
	}
	return paths
}

func TestWalkOrderIsThatOfKeys(t *testing.T) {
	root := tree(t, "a/x", "a!", "a/", "a.b", "b/c/d", "b/c.x", "b/é", "z", "a/sub/deep")
	got := collect(t, options(root))
	want := under(root, "", "a", "a/sub", "a/sub/deep", "a/x", "a!", "a.b", "b", "b/c", "b/c/d", "b/c.x", "b/é", "z")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !slices.IsSortedFunc(got, Compare) {
		t.Error("the walk is not in the order of Compare")
	}
}

func TestRootsAreWalkedOnceAndInOrder(t *testing.T) {
	root := tree(t, "a/x", "b/y", "c")
	got := collect(t, options(under(root, "c", "b/y", "a", "b", "a", "a/x", "none")...))
	if d := cmp.Diff(under(root, "a", "a/x", "b", "b/y", "c"), got); d != "" {
		t.Error(d)
	}
}

func TestManySmallDirectories(t *testing.T) {
	// More directories in flight than may be open at once.
	root := t.TempDir()
	n := 3 * maxOpen
	for i := range n {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("d%04d", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := collect(t, options(root)); len(got) != n+1 {
		t.Errorf("%d items, want %d", len(got), n+1)
	}
}

func TestAliasIsNotWalked(t *testing.T) {
	root := tree(t, "usr/bin/sh", "other/f")
	for link, target := range map[string]string{"bin": "usr/bin", "opt": "other", "lost": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	o := options(under(root, "usr/bin", "bin", "opt", "lost")...)
	o.Alias = func(path, real string) bool { return path != real && Within(real, filepath.Join(root, "usr/bin")) }
	want := under(root, "bin")
	want = append(want, fmt.Sprintf("%s: event %d: %v", filepath.Join(root, "bin"), Alias, nil))
	want = append(want, under(root, "lost", "opt", "opt/f", "usr/bin", "usr/bin/sh")...)
	if d := cmp.Diff(want, collect(t, o)); d != "" {
		t.Error(d)
	}
}

func TestEmitEndsTheWalk(t *testing.T) {
	root := t.TempDir()
	for i := range 500 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprint(i), "x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	enough := errors.New("enough")
	n := 0
	err := Walk(t.Context(), options(root), func(*Item[seen]) error {
		if n++; n == 100 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 100 {
		t.Errorf("error %v after %d items", err, n)
	}
}

// stuck hangs on names that begin with "hang" until it is let go.
type stuck struct {
	looker
	reached chan string
	letGo   chan struct{}
}

func (s stuck) Inspect(ctx context.Context, t *Task, out *seen) {
	if strings.HasPrefix(t.Name.String(), "hang") {
		s.reached <- t.Path
		<-s.letGo
	}
	s.looker.Inspect(ctx, t, out)
}

func TestWhatHangsIsLeftBehind(t *testing.T) {
	root := tree(t, "a/1", "b/hang1", "b/z", "c")
	s := stuck{reached: make(chan string, 1), letGo: make(chan struct{})}
	defer close(s.letGo)
	ticks := make(chan time.Time)
	o := options(root)
	o.Workers = 1 // so that nothing else is under way while time passes
	o.Ticks = ticks
	o.Inspector = func() Inspector[seen] { return s }
	go func() {
		<-s.reached
		for range ticksPerDeadline {
			ticks <- time.Time{}
		}
	}()
	want := under(root, "", "a", "a/1", "b")
	want = append(want, fmt.Sprintf("%s: event %d: %v", filepath.Join(root, "b/hang1"), Unknown, ErrHung))
	want = append(want, under(root, "b/z", "c")...)
	if d := cmp.Diff(want, collect(t, o)); d != "" {
		t.Error(d)
	}
}

func TestHungWalkCanBeCancelled(t *testing.T) {
	root := tree(t, "a", "hang", "z")
	s := stuck{reached: make(chan string, 1), letGo: make(chan struct{})}
	defer close(s.letGo)
	o := options(root)
	o.Inspector = func() Inspector[seen] { return s }
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.reached
		cancel()
	}()
	err := Walk(ctx, o, func(*Item[seen]) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCompareIsOrderOfKeys(t *testing.T) {
	key := func(p string) string { return strings.ReplaceAll(p, "/", "\x00") }
	paths := []string{"/", "/a", "/a/b", "/a!", "/a/b/c", "/a.b", "/\x01", "/a\x01", "/\xff", "/b"}
	for _, a := range paths {
		for _, b := range paths {
			if want, got := strings.Compare(key(a), key(b)), Compare(a, b); want < 0 != (got < 0) || want > 0 != (got > 0) {
				t.Errorf("Compare(%q, %q) = %d, keys %d", a, b, got, want)
			}
		}
	}
}
