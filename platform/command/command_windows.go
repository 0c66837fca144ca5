// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// systemTool finds netsh, route and net where Windows keeps them.
func systemTool(name string) (string, error) {
	path := filepath.Join(systemRoot(), "System32", name+".exe")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("run %s: %w", name, exec.ErrNotFound)
	}
	return path, nil
}

func systemEnvironment() []string { return []string{"SystemRoot=" + systemRoot()} }

func systemRoot() string {
	if root := os.Getenv("SystemRoot"); filepath.IsAbs(root) {
		return root
	}
	return `C:\Windows`
}
