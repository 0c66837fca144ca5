// SPDX-License-Identifier: Apache-2.0

package detach

import (
	"syscall"

	"golang.org/x/sys/windows"
)

const root = `C:\`

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}
