// SPDX-License-Identifier: Apache-2.0

//go:build unix

package safedir

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	mk := func(name string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, shared := mk("good", 0o755), mk("shared", 0o775)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       bool
	}{
		{"made", filepath.Join(dir, "new"), true},
		{"own", good, true},
		{"writable by the group", shared, false},
		{"link", link, false},
		{"no parent", filepath.Join(dir, "a", "b"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Open(tt.path, -1)
			if (err == nil) != tt.want {
				t.Errorf("got %v", err)
			}
			if err == nil {
				_ = d.Close()
			}
		})
	}
}

// Whoever owns the parent may move the folder away; what is written goes to
// the folder that was opened, and At tells.
func TestDirIsPinned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	d, err := Open(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !d.At(path) {
		t.Error("At is false for the folder itself")
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if d.At(path) {
		t.Error("At is true for a folder that is gone")
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return // no pinned paths on this kernel
	}
	if err := os.WriteFile(d.Path("f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path+".old", "f")); err != nil {
		t.Error(err)
	}
}
