// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package uname

import (
	"os"
	"runtime"
)

// fields are what is known without asking the kernel.
func fields() []string {
	name, err := os.Hostname()
	if err != nil {
		return nil
	}
	return []string{"Microsoft Windows", name, "", "", runtime.GOARCH}
}
