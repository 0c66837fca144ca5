// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckedIn compares the pages in the tree with what the commands say now.
// make docs brings them up to date.
func TestCheckedIn(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir, filepath.Join("..", "..", "docs")); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"man", "completions"} {
		want, got := contents(t, filepath.Join(dir, folder)), contents(t, filepath.Join("..", folder))
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("packaging/%s is out of date, run make docs (-checked in +generated):\n%s", folder, diff)
		}
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}
