// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget drops the pages of the shared file mapping at addr from this process;
// the next access faults them in again (madvise(2) MADV_DONTNEED). Only a hint:
// where it fails the process is larger than it need be.
func Forget(addr uintptr, size int64) {
	page := int64(os.Getpagesize())
	size = size / page * page
	if addr == 0 || size <= 0 {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, addr, uintptr(size), unix.MADV_DONTNEED)
}
