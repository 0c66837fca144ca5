// SPDX-License-Identifier: Apache-2.0

package diskspace

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// A file system of a known size, nearly full, without inodes, read-only.
func TestOf(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("diskspace", dir, "tmpfs", 0, "size=1m,nr_inodes=10"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s, err := Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Total != 1<<20 || s.Free != s.Total || s.Inodes != 10 || s.FreeInodes != 9 || s.ReadOnly {
		t.Errorf("got %+v", s)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if s, err = Of(dir); err != nil || !s.ReadOnly {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestOfNothing(t *testing.T) {
	if _, err := Of(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
