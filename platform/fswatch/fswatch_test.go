// SPDX-License-Identifier: Apache-2.0

package fswatch

import (
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func start(t *testing.T) (Watcher, string) {
	t.Helper()
	w, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, filepath.ToSlash(t.TempDir())
}

// await reads events until one has the path and one of the operations.
func await(t *testing.T, w Watcher, path string, ops Op) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case e := <-w.Events():
			if e.Path == path && e.Op&ops != 0 {
				return
			}
		case <-deadline:
			t.Fatalf("no event %#x for %s", ops, path)
		}
	}
}

func add(t *testing.T, w Watcher, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if err := w.Add(d); err != nil {
			t.Fatal(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOperations(t *testing.T) {
	w, dir := start(t)
	add(t, w, dir)
	a, b := path.Join(dir, "a"), path.Join(dir, "b")
	must(t, os.WriteFile(a, []byte("x"), 0o600))
	await(t, w, a, Create)
	must(t, os.WriteFile(a, []byte("xy"), 0o600))
	await(t, w, a, Write)
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(a, 0o400))
		await(t, w, a, Attrib)
	}
	must(t, os.Rename(a, b))
	await(t, w, a, Rename)
	await(t, w, b, Create)
	must(t, os.Remove(b))
	await(t, w, b, Remove)
}

// TestRenamedFolder is what the Watcher's contract is for: after RemoveTree and
// Add, events below a renamed folder come under its new name.
func TestRenamedFolder(t *testing.T) {
	w, dir := start(t)
	old, renamed := path.Join(dir, "old"), path.Join(dir, "new")
	must(t, os.MkdirAll(path.Join(old, "sub"), 0o700))
	add(t, w, dir, old, path.Join(old, "sub"))
	must(t, os.Rename(old, renamed))
	await(t, w, old, Rename)
	w.RemoveTree(old)
	await(t, w, renamed, Create)
	add(t, w, renamed, path.Join(renamed, "sub"))
	if got := w.Count(); got != 3 {
		t.Errorf("%d folders are watched, want 3", got)
	}
	for _, name := range []string{"f", "sub/f"} {
		file := path.Join(renamed, name)
		must(t, os.WriteFile(file, nil, 0o600))
		await(t, w, file, Create)
	}
}

func TestDeletedFolder(t *testing.T) {
	w, dir := start(t)
	sub := path.Join(dir, "sub")
	must(t, os.Mkdir(sub, 0o700))
	add(t, w, dir, sub)
	must(t, os.Remove(sub))
	await(t, w, sub, Remove)
	w.RemoveTree(sub)
	must(t, os.Mkdir(sub, 0o700))
	await(t, w, sub, Create)
	add(t, w, sub)
	file := path.Join(sub, "f")
	must(t, os.WriteFile(file, nil, 0o600))
	await(t, w, file, Create)
}

func TestAddWhatIsNotThere(t *testing.T) {
	w, dir := start(t)
	if err := w.Add(path.Join(dir, "missing")); err == nil {
		t.Error("a missing folder is watched")
	}
	if w.Count() != 0 {
		t.Errorf("%d folders are watched", w.Count())
	}
}

// TestCloseWithoutReader closes a Watcher of which nobody reads any more.
func TestCloseWithoutReader(t *testing.T) {
	w, err := New(slog.New(slog.DiscardHandler))
	must(t, err)
	dir := filepath.ToSlash(t.TempDir())
	add(t, w, dir)
	for i := range 5000 { // more than there is room for
		must(t, os.WriteFile(path.Join(dir, strconv.Itoa(i)), nil, 0o600))
	}
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("it waits for a reader")
	}
}

// TestRemoveTree gives up a folder with all that is below it, over a gap too,
// and nothing else.
func TestRemoveTree(t *testing.T) {
	w, dir := start(t)
	all := []string{"a", "a/b", "a/b/c/d", "ab", "z"}
	for _, name := range all {
		must(t, os.MkdirAll(path.Join(dir, name), 0o700))
		add(t, w, path.Join(dir, name))
		add(t, w, path.Join(dir, name)) // does no harm
	}
	for _, c := range []struct {
		name string
		left int
	}{{"a/b/c", 5}, {"a/b/c/d", 4}, {"z", 3}, {"a", 1}, {"a", 1}, {"ab", 0}} {
		w.RemoveTree(path.Join(dir, c.name))
		if got := w.Count(); got != c.left {
			t.Errorf("without %s %d folders are watched, want %d", c.name, got, c.left)
		}
	}
}
