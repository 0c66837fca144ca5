// SPDX-License-Identifier: Apache-2.0

// Package lockfile has locks between processes, on files that exist only for
// that. The kernel drops a lock with the process that holds it, so a crash
// leaves none behind. Pid files say who runs; they lock nothing.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrLocked means that another process (or another Lock in this one) holds it.
var ErrLocked = errors.New("locked by another process")

// Lock is a lock on one file. Its methods are not for use by several
// goroutines at once.
type Lock struct{ f *os.File }

// Open makes the file, mode 0600, if it is missing and returns a Lock that is
// not held yet.
func Open(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return &Lock{f}, nil
}

// Acquire waits for the lock.
func (l *Lock) Acquire() error { return lock(l.f, true) }

// Try takes the lock or returns ErrLocked.
func (l *Lock) Try() error { return lock(l.f, false) }

// Wait tries until it has the lock or ctx ends; then the error is ErrLocked.
func (l *Lock) Wait(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := l.Try(); !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return ErrLocked
		case <-tick.C:
		}
	}
}

// Release gives the lock up and keeps the file open for another Acquire.
func (l *Lock) Release() error { return unlock(l.f) }

// Close gives the lock up, if it is held. The file stays: removing it would
// let two processes hold locks on two files of one name.
func (l *Lock) Close() error { return l.f.Close() }
