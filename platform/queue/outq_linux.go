// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"net"

	"golang.org/x/sys/unix"
)

// outq asks how much the kernel holds of what was written to conn and is not read
// yet, in bytes of its own memory (SIOCOUTQ, unix(7)). After the reader's death it
// is 0.
func outq(conn net.Conn) int {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return unknown
	}
	left := unknown
	_ = raw.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			left = n
		}
	})
	return left
}
