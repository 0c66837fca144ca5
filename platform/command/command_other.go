// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package command

import (
	"fmt"
	"os/exec"
)

func systemTool(name string) (string, error) {
	return "", fmt.Errorf("run %s: %w", name, exec.ErrNotFound)
}

func systemEnvironment() []string { return nil }
