// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package leash

import (
	"os/exec"
	"syscall"
)

func run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}
