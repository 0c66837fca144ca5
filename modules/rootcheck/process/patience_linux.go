// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"time"
)

const (
	// stuck is how long one file of a process may take to read. Its memory may
	// be a file of somebody's file system that does not answer, and a process
	// in execve(2) on one locks others out: any user can do either.
	stuck = 20 * time.Second
	// maxStuck is how many reads may be left behind. Each costs a thread for as
	// long as the process lives.
	maxStuck = 8
)

var errStuck = errors.New("does not answer")

// patience reads what may never answer.
type patience struct{ lost int }

// read calls f, and gives up on it after a while. The goroutine that waits is
// then left behind, so after a few nothing is read any more.
func (p *patience) read(ctx context.Context, f func() ([]byte, error)) ([]byte, error) {
	if p.lost >= maxStuck {
		return nil, errStuck
	}
	type answer struct {
		data []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		data, err := f()
		done <- answer{data, err}
	}()
	limit := time.NewTimer(stuck)
	defer limit.Stop()
	select {
	case a := <-done:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-limit.C:
		p.lost++
		return nil, errStuck
	}
}
