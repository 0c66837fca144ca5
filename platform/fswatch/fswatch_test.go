// SPDX-License-Identifier: Apache-2.0

package fswatch

import (
	"log/slog"
	"os"
	"path/filepath"
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
	return w, t.TempDir()
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
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.WriteFile(a, []byte("x"), 0o600))
	await(t, w, a, Create)
	must(t, os.WriteFile(a, []byte("xy"), 0o600))
	await(t, w, a, Write)
	must(t, os.Chmod(a, 0o400))
	await(t, w, a, Attrib)
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
	old, renamed := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	must(t, os.MkdirAll(filepath.Join(old, "sub"), 0o700))
	add(t, w, dir, old, filepath.Join(old, "sub"))
	must(t, os.Rename(old, renamed))
	await(t, w, old, Rename)
	w.RemoveTree(old)
	await(t, w, renamed, Create)
	add(t, w, renamed, filepath.Join(renamed, "sub"))
	if got := w.Count(); got != 3 {
		t.Errorf("%d folders are watched, want 3", got)
	}
	for _, name := range []string{"f", "sub/f"} {
		path := filepath.Join(renamed, name)
		must(t, os.WriteFile(path, nil, 0o600))
		await(t, w, path, Create)
	}
}

func TestDeletedFolder(t *testing.T) {
	w, dir := start(t)
	sub := filepath.Join(dir, "sub")
	must(t, os.Mkdir(sub, 0o700))
	add(t, w, dir, sub)
	must(t, os.Remove(sub))
	await(t, w, sub, Remove)
	w.RemoveTree(sub)
	must(t, os.Mkdir(sub, 0o700))
	await(t, w, sub, Create)
	add(t, w, sub)
	path := filepath.Join(sub, "f")
	must(t, os.WriteFile(path, nil, 0o600))
	await(t, w, path, Create)
}

func TestAddWhatIsNotThere(t *testing.T) {
	w, dir := start(t)
	if err := w.Add(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing folder is watched")
	}
	if w.Count() != 0 {
		t.Errorf("%d folders are watched", w.Count())
	}
}
