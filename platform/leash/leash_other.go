// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package leash

import "os/exec"

func run(cmd *exec.Cmd) error { return cmd.Run() }
