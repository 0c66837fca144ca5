// SPDX-License-Identifier: Apache-2.0

// Package leash runs a program that must not outlive whoever waits for it. What
// is run, and for how long, is the caller's business; programs that others wait
// for, or that go on by themselves, are package runner's.
package leash

import "os/exec"

// Run is cmd.Run for a cmd made by exec.CommandContext. At the end of its
// context all of its process group dies; at the end of this process, kill -9
// included, the program does where the system can do that. It fills in
// cmd.SysProcAttr and cmd.Cancel.
func Run(cmd *exec.Cmd) error { return run(cmd) }
