// SPDX-License-Identifier: Apache-2.0

// Package bootclock tells the time that nobody can set: how long this boot has
// lasted, sleep included, and which boot it is. With both, a deadline written
// by one process is exact in the next one whatever happened to the wall clock.
package bootclock

import (
	"fmt"
	"os"
	"strings"

	"hids/platform/paths"
)

// ID names this boot of the host. It is an error where the kernel has no name
// for it (it needs Linux's /proc/sys/kernel/random/boot_id).
func ID(h paths.Host) (string, error) {
	b, err := os.ReadFile(h.ProcPath("sys", "kernel", "random", "boot_id"))
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
