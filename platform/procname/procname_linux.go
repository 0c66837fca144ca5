// SPDX-License-Identifier: Apache-2.0

package procname

import (
	"fmt"
	"os"
)

// Set makes ps(1) show name, cut at 15 bytes. A process that was started
// through Self would be called "exe" otherwise, and OSSEC's control script
// takes a pid file for stale when ps shows no "ossec".
func Set(name string) error {
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("set process name: %w", err)
	}
	return nil
}

// Self is the path of the running program. It stays the same program when a
// package upgrade replaces the file: supervisor and modules always match.
func Self() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err != nil {
		return os.Executable()
	}
	return self, nil
}
