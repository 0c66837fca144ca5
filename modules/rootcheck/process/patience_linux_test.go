// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatienceEnds: a process whose memory never comes costs some time, and
// many of them no more than a few.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wait patience
		if b, err := wait.read(t.Context(), func() ([]byte, error) { return []byte("x"), nil }); string(b) != "x" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		release := make(chan struct{})
		defer close(release)
		begin := time.Now()
		for range 3 * maxStuck {
			_, err := wait.read(t.Context(), func() ([]byte, error) { <-release; return nil, nil })
			if !errors.Is(err, errStuck) {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != maxStuck*stuck {
			t.Errorf("took %s", took)
		}
	})
}
