// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// A disk that the kernel made read-only after a fault keeps nobody from a lock.
func TestReadOnlyDisk(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("lockfile", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Skip(t, "can't mount: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, filepath.Join(dir, "missing")} {
		first, second := open(t, path), open(t, path)
		if err := first.Try(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := second.Try(); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: the second holder gets %v", path, err)
		}
		if err := errors.Join(first.Release(), second.Try()); err != nil {
			t.Errorf("%s: after the release: %v", path, err)
		}
	}
}
