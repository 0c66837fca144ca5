// SPDX-License-Identifier: Apache-2.0

package lockfile

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := a.Try(); err != nil {
		t.Fatal(err)
	}
	if err := b.Try(); !errors.Is(err, ErrLocked) {
		t.Fatalf("second holder: got %v, want ErrLocked", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Wait(gone); !errors.Is(err, ErrLocked) {
		t.Fatalf("wait without patience: got %v, want ErrLocked", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Wait(t.Context()) }()
	if err := a.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := a.Try(); !errors.Is(err, ErrLocked) {
		t.Errorf("the waiter did not get it: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Acquire(); err != nil {
		t.Errorf("after the holder closed it: %v", err)
	}
}
