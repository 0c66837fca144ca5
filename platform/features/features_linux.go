// SPDX-License-Identifier: Apache-2.0

package features

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"hids/platform/bpf"
	"hids/platform/firewall"
	"hids/platform/netstat"
)

func list(ctx context.Context) []Feature {
	return []Feature{
		{Nftables, firewall.Nftables(ctx)},
		{Inotify, inotify()},
		{Fanotify, fanotify()},
		{SockDiag, sockDiag()},
		{BPF, listPrograms()},
		{Landlock, landlock()},
		{Pidfd, pidfd()},
	}
}

// closed closes what was only opened to see that it can be.
func closed(call string, fd int, err error) error {
	if err != nil {
		return os.NewSyscallError(call, err)
	}
	return os.NewSyscallError("close", unix.Close(fd))
}

func inotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	return closed("inotify_init1", fd, err)
}

// fanotify wants names with its events: Linux 5.9, fanotify_init(2).
func fanotify() error {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY)
	return closed("fanotify_init", fd, err)
}

func sockDiag() error {
	_, err := netstat.SockDiag(netstat.Tables()[0])
	return err
}

func listPrograms() error {
	_, err := bpf.Programs()
	return err
}

// landlock asks for the version of the interface, landlock_create_ruleset(2):
// Linux 5.13.
func landlock() error {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return nil
}

// pidfd opens one of this process: Linux 5.3, pidfd_open(2).
func pidfd() error {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	return closed("pidfd_open", fd, err)
}
