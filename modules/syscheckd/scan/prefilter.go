// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"hids/config"
	"hids/platform/fswalk"
	"hids/platform/leash"
)

// prefilterDeadline is how long a prefilter may take for one file.
const prefilterDeadline = 30 * time.Second

// prefilter makes the sums of what the configured command writes when it is
// given the path. It is run directly, never by a shell. A command that fails
// leaves the file without sums: the sums of half an output would be a change.
func (in *inspector) prefilter(ctx context.Context, t *fswalk.Task, checks config.Check) error {
	ctx, cancel := context.WithTimeout(ctx, prefilterDeadline)
	defer cancel()
	argv := append(slices.Clone(in.o.Prefilter), t.Path)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	in.content.reset(checks)
	cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		in.content.write(b, checks)
		return len(b), nil
	})
	stop := beatWhile(t.Beat)
	err := leash.Run(cmd)
	stop()
	if err != nil {
		return fmt.Errorf("prefilter %s: %w", argv[0], err)
	}
	in.content.sum(&in.rec, checks)
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// beatWhile calls beat until the function it returns is called: the command has
// a deadline of its own.
func beatWhile(beat func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				beat()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
