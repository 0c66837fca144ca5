// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Store gives the service manager a descriptor to keep under name until the
// service ends for good. One that it already keeps is not kept twice. It does
// nothing without a service manager.
func Store(name string, f *os.File) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("store descriptor: %w", err)
	}
	defer c.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("store descriptor: %w", err)
	}
	// A stored socket reports a hang-up when its peer is gone; FDPOLL=0 keeps
	// the manager from dropping it then.
	state := "FDSTORE=1\nFDNAME=" + name + "\nFDPOLL=0"
	cerr := raw.Control(func(fd uintptr) {
		_, _, err = c.WriteMsgUnix([]byte(state), unix.UnixRights(int(fd)), nil)
	})
	if cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("store descriptor: %w", err)
	}
	return nil
}

func monotonicMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() / 1000
}
