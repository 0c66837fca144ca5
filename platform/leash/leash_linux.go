// SPDX-License-Identifier: Apache-2.0

package leash

import (
	"os/exec"
	"runtime"
	"syscall"
)

func run(cmd *exec.Cmd) error {
	// The signal comes at the end of the thread that made the process,
	// prctl(2), so that has to stay until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}
