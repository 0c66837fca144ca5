// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package fswatch

import (
	"os"
	"path"
	"testing"
)

// TestSwappedFolders adds folders that have swapped their names before anybody
// was told of it: from then on each is told under the name that it has. Not on
// Windows: fsnotify gives up a watch there by the name that its folder has now.
func TestSwappedFolders(t *testing.T) {
	w, dir := start(t)
	a, b := path.Join(dir, "a"), path.Join(dir, "b")
	for _, d := range []string{a, b} {
		must(t, os.MkdirAll(path.Join(d, "sub"), 0o700))
		add(t, w, d, path.Join(d, "sub"))
	}
	for range 3 {
		must(t, os.Rename(a, a+".tmp"))
		must(t, os.Rename(b, a))
		must(t, os.Rename(a+".tmp", b))
		add(t, w, a, path.Join(a, "sub"), b, path.Join(b, "sub"))
		for _, name := range []string{"a/f", "a/sub/f", "b/f", "b/sub/f"} {
			file := path.Join(dir, name)
			must(t, os.WriteFile(file, nil, 0o600))
			await(t, w, file, Create)
			must(t, os.Remove(file))
			await(t, w, file, Remove)
		}
	}
	if got := w.Count(); got != 4 {
		t.Errorf("%d folders are watched, want 4", got)
	}
	w.RemoveTree(a)
	w.RemoveTree(b)
	if got := w.Count(); got != 0 {
		t.Errorf("%d folders are watched, want none", got)
	}
}
