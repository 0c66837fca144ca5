// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"fmt"
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
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("store descriptor: %w", err)
	}
	// A stored socket reports a hang-up when its peer is gone; FDPOLL=0 keeps
	// the manager from dropping it then.
	state := "FDSTORE=1\nFDNAME=" + name + "\nFDPOLL=0"
	cerr := raw.Control(func(fd uintptr) { err = sendWith(socket, state, int(fd)) })
	if err := cmp.Or(cerr, err); err != nil {
		return fmt.Errorf("store descriptor: %w", err)
	}
	return nil
}

// sendWith sends one datagram with a descriptor. Package net does not pass
// descriptors over a connected datagram socket.
func sendWith(socket, state string, fd int) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	to := &unix.SockaddrUnix{Name: socket} // a leading @ is an abstract name
	return os.NewSyscallError("sendmsg", unix.Sendmsg(s, []byte(state), unix.UnixRights(fd), to, 0))
}

func monotonicMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() / 1000
}
