// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRates scans in virtual time with a limit, and without one.
func TestRates(t *testing.T) {
	f := newFixture(t)
	const files = 30
	for i := range files {
		f.write(fmt.Sprintf("f%d", i), strings.Repeat("x", 1000))
	}
	scan := func(filesPS int, bytesPS int64) (took time.Duration) {
		synctest.Test(t, func(inside *testing.T) {
			f.t = inside // whose context belongs to the virtual time
			f.o.MaxFilesPS, f.o.MaxBytesPS = filesPS, bytesPS
			began := time.Now()
			f.run()
			took = time.Since(began)
		})
		return took
	}
	if took := scan(0, 0); took > time.Second {
		t.Errorf("without a limit it takes %v", took)
	}
	// A tenth of a second's worth is free, and the folder is an entry, too.
	for _, c := range []struct {
		filesPS int
		bytesPS int64
		least   time.Duration
	}{{10, 0, 2800 * time.Millisecond}, {0, 10_000, 2800 * time.Millisecond}, {10, 3000, 9800 * time.Millisecond}} {
		if took := scan(c.filesPS, c.bytesPS); took < c.least || took > c.least+time.Second {
			t.Errorf("%d files and %d bytes in a second: %v, want some %v", c.filesPS, c.bytesPS, took, c.least)
		}
	}
}
