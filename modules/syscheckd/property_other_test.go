// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package syscheckd

import (
	"os"

	"golang.org/x/sys/unix"
)

// exchange swaps two names, in three steps.
func exchange(a, b string) {
	if os.Rename(a, a+".swap") == nil {
		if os.Rename(b, a) != nil {
			a = b // to leave no third name
		}
		_ = os.Rename(a+".swap", b)
	}
}

// special makes what is no file: a FIFO.
func special(p string, _ int) { _ = unix.Mkfifo(p, 0o644) }
