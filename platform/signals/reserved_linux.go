// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The signals that glibc and musl reserve, signal(7): cancellation and the
// change of user ids of all threads.
const (
	firstReserved = 32
	lastReserved  = 33
)

const ignored = 1 // SIG_IGN

// heedReserved leaves alone what has a handler: in a program with cgo it is the
// C library's. An all-zero struct sigaction is SIG_DFL on every architecture,
// and its first word is the handler, rt_sigaction(2).
func heedReserved() {
	for sig := uintptr(firstReserved); sig <= lastReserved; sig++ {
		var now, none [16]uintptr
		const setSize = 8
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&now)), setSize, 0, 0)
		if errno == 0 && now[0] == ignored {
			_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&none)), 0, setSize, 0, 0) // it was read a moment ago
		}
	}
}
