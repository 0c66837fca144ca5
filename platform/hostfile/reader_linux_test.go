// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestReader lists more entries than one buffer holds, and sees what Lstat sees.
func TestReader(t *testing.T) {
	root := t.TempDir()
	const files = 3000
	for i := range files {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("a-rather-long-name-%d", i)), nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	h := &FS{}
	d, err := h.OpenDir(root, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	seen := make(map[string]bool)
	err = NewReader().Each(d, func(e Entry) {
		name := string(e.Name())
		seen[name] = true
		if e.Special() != (name == "link") {
			t.Errorf("%s is special: %v", name, e.Special())
		}
		got, _, err := e.Statx()
		if want, err2 := d.Lstat(name); err != nil || err2 != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v, %v", name, got, err, want, err2)
		}
	})
	if err != nil || len(seen) != files+1 {
		t.Errorf("%d names, %v, want %d", len(seen), err, files+1)
	}
}

// FuzzEntries: a buffer of the kernel's may not crash us, whatever a file
// system put into it.
func FuzzEntries(f *testing.F) {
	f.Add(append(make([]byte, 16), 24, 0, 4, 'n', 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		new(Reader).entries(-1, b, func(e Entry) {
			if len(e.Name()) == 0 {
				t.Error("an entry without a name")
			}
		})
	})
}
