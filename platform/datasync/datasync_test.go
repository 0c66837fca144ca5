// SPDX-License-Identifier: Apache-2.0

package datasync_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"hids/platform/datasync"
)

func TestSync(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := datasync.File(f); err != nil {
		t.Error(err)
	}
	if err := datasync.Dir(dir); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := datasync.File(f); err == nil {
		t.Error("a closed file was made durable")
	}
}

// A file that another goroutine has closed is told as os does.
func TestClosed(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := datasync.File(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
