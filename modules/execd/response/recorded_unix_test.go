// SPDX-License-Identifier: Apache-2.0

//go:build unix

package response

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/modules/execd/blocks"
)

// A response that changes what outlives the machine waits until execd's record
// of the block is on the disk. Here the journal is a pipe, which can't be opened
// to read before somebody writes to it.
func TestDurableResponsesWaitForTheRecord(t *testing.T) {
	e := newEnv(t)
	pipe := filepath.Join(e.Layout.State("execd"), blocks.FileName)
	if err := errors.Join(os.MkdirAll(filepath.Dir(pipe), 0o700), os.MkdirAll(e.Host.Path("/etc"), 0o755), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	for name, file := range map[string]string{"host-deny": "/etc/hosts.deny", "ip-customblock": "/ipblock/192.0.2.7"} {
		t.Run(name, func(t *testing.T) {
			made := func() bool {
				_, err := os.Stat(e.Host.Path(file))
				return !errors.Is(err, fs.ErrNotExist)
			}
			acted := make(chan error, 1)
			go func() {
				acted <- Run(t.Context(), e, name, Request{Args: []string{"add", "-", "192.0.2.7"}, Until: until})
			}()
			select { // one that does not wait is done long before this
			case err := <-acted:
				t.Fatalf("it did not wait: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			if made() {
				t.Fatal("it acted before the record was on the disk")
			}
			w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := <-acted; err != nil || !made() {
				t.Errorf("made: %v, %v", made(), err)
			}
		})
	}
	for _, r := range []Request{{Args: []string{"add", "-", "192.0.2.8"}}, {Args: []string{"delete", "-", "192.0.2.7"}, Until: until}} {
		if err := Run(t.Context(), e, "host-deny", r); err != nil { // these wait for nothing
			t.Error(err)
		}
	}
}
