// SPDX-License-Identifier: Apache-2.0

// Package detach starts a program that is to outlive its starter: in a session
// of its own, away from every descriptor, not waited for. What must be seen to
// its end is started with platform/runner.
package detach

import (
	"fmt"
	"os/exec"
)

// Start starts the program at path with arguments.
func Start(path string, args ...string) error {
	cmd := exec.Command(path, args...) //nolint:forbidigo // it is to outlive its caller
	cmd.Dir = root
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start on its own: %w", err)
	}
	return cmd.Process.Release()
}
