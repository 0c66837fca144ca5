// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package daemon

import (
	"os"
	"os/exec"
)

// There are no sessions here: a service is started by the service manager, in
// the foreground.
func newSession(*exec.Cmd) {}

func inherit(int) *os.File { return nil }

func dropStdio() error { return nil }
