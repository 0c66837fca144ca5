// SPDX-License-Identifier: Apache-2.0

//go:build unix

package detach

import "syscall"

const root = "/"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
