// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "lock")
	release, err := Take(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(gone, path); !errors.Is(err, ErrLocked) {
		t.Errorf("second holder: %v", err)
	}
	release()
	release2, err := Take(t.Context(), path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	release2()
}
