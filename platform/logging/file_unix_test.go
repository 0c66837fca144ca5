// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logging

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A FIFO whose reader does not read, and is full, would hold the writer up.
func TestFileRefusesFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ossec.log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fill(t, path)
	done := make(chan error, 1)
	go func() {
		_, err := File{path}.Write([]byte("x\n"))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || strings.Count(err.Error(), path) != 1 {
			t.Errorf("got %v, want an error that names the path once", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the writer waits")
	}
}

// fill opens a FIFO as its reader and writes until it takes no more.
func fill(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 4096))
	}
}
