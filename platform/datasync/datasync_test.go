// SPDX-License-Identifier: Apache-2.0

package datasync_test

import (
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
