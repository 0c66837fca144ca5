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

// costOf asks what outq counts for a datagram of n bytes: its memory in the
// kernel, which depends on the kernel's version. Where that can't be found out it
// is the bytes alone, and more is taken for unread than is.
func costOf(n int) int {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return n
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if _, err := unix.Write(pair[0], make([]byte, n)); err != nil {
		return n
	}
	cost, err := unix.IoctlGetInt(pair[0], unix.SIOCOUTQ)
	if err != nil {
		return n
	}
	return cost
}
