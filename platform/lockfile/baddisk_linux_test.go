// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// A disk that the kernel made read-only after a fault, or a full one, keeps nobody
// from a lock.
func TestBadDisk(t *testing.T) {
	testenv.Root(t)
	for name, remount := range map[string]uintptr{"read-only": unix.MS_RDONLY, "full": 0} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("lockfile", dir, "tmpfs", 0, "nr_inodes=2"); err != nil {
				testenv.Skip(t, "can't mount: "+err.Error())
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			there := filepath.Join(dir, "there")
			if err := os.WriteFile(there, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|remount, ""); err != nil {
				t.Fatal(err)
			}
			demandLocks(t, there, filepath.Join(dir, "missing"))
		})
	}
}

func demandLocks(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		release, err := Take(t.Context(), path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Take(gone, path); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: the second holder gets %v", path, err)
		}
		release()
		if again, err := Take(t.Context(), path); err != nil {
			t.Errorf("%s: after the release: %v", path, err)
		} else {
			again()
		}
	}
}
