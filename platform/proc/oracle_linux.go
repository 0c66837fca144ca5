// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Oracles lists the ways to ask. The first three are the ones that OSSEC asks
// and every rootkit knows.
//
// Raw system calls, because the scheduler's book-keeping would cost more than
// the call. So none of these may wait: kcmp(2) and get_robust_list(2), which
// rootkits forget too, wait for a task in execve(2), and any user can make one
// that never gets out of it.
func Oracles() []Oracle {
	return []Oracle{
		dear(ask("kill", unix.SYS_KILL)),
		ask("getsid", unix.SYS_GETSID),
		ask("getpgid", unix.SYS_GETPGID),
		ask("prlimit64", unix.SYS_PRLIMIT64),
		{Name: "tgkill", Leaders: true, Dear: true, Ask: func(id int) bool {
			return exists(unix.SYS_TGKILL, uintptr(id), uintptr(id))
		}},
		dear(ask("tkill", unix.SYS_TKILL)),
		{Name: "ioprio_get", Ask: func(id int) bool {
			const whoProcess = 1 // IOPRIO_WHO_PROCESS
			return exists(unix.SYS_IOPRIO_GET, whoProcess, uintptr(id))
		}},
		{Name: "getpriority", Ask: func(id int) bool {
			const whoProcess = 0 // PRIO_PROCESS
			return exists(unix.SYS_GETPRIORITY, whoProcess, uintptr(id))
		}},
		ask("sched_getscheduler", unix.SYS_SCHED_GETSCHEDULER),
		{Name: "sched_getattr", Ask: askSchedAttr},
		{Name: "capget", Dear: true, Ask: askCapget},
		ask("move_pages", unix.SYS_MOVE_PAGES), // of no pages
		{Name: "pidfd_open", Leaders: true, Ask: askPidfd},
		{Name: "sched_getparam", Ask: func(id int) bool { return askSched(unix.SYS_SCHED_GETPARAM, id) }},
		{Name: "sched_rr_get_interval", Ask: func(id int) bool { return askSched(unix.SYS_SCHED_RR_GET_INTERVAL, id) }},
		{Name: "sched_getaffinity", Ask: askAffinity},
	}
}

// ask makes an oracle of a call whose first argument is the id and whose
// others may be zero.
func ask(name string, number uintptr) Oracle {
	return Oracle{Name: name, Ask: func(id int) bool { return exists(number, uintptr(id), 0) }}
}

func dear(o Oracle) Oracle {
	o.Dear = true
	return o
}

func exists(number, a, b uintptr) bool {
	_, _, errno := unix.RawSyscall6(number, a, b, 0, 0, 0, 0)
	return errno != unix.ESRCH
}

func askSchedAttr(id int) bool {
	var attr [64]byte
	ok := exists4(unix.SYS_SCHED_GETATTR, uintptr(id), unsafe.Pointer(&attr), uintptr(len(attr)))
	runtime.KeepAlive(&attr)
	return ok
}

// exists4 keeps the conversion of the pointer in the call itself, as unsafe
// wants it.
func exists4(number, a uintptr, p unsafe.Pointer, c uintptr) bool {
	_, _, errno := unix.RawSyscall6(number, a, uintptr(p), c, 0, 0, 0)
	return errno != unix.ESRCH
}

func askCapget(id int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3, Pid: int32(id)}
	var data [2]unix.CapUserData
	_, _, errno := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	return errno != unix.ESRCH
}

// askSched is for calls that fill in a small structure.
func askSched(number uintptr, id int) bool {
	var out [64]byte
	_, _, errno := unix.RawSyscall(number, uintptr(id), uintptr(unsafe.Pointer(&out)), 0)
	return errno != unix.ESRCH
}

func askAffinity(id int) bool {
	var cpus [1024]byte // as many as a kernel may have
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(id), uintptr(len(cpus)), uintptr(unsafe.Pointer(&cpus)))
	return errno != unix.ESRCH
}

// askPidfd says no to threads, for which kernels answer ENOENT or EINVAL.
func askPidfd(id int) bool {
	fd, _, errno := unix.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(id), 0, 0)
	if errno == 0 {
		unix.Close(int(fd))
		return true
	}
	return errno != unix.ESRCH && errno != unix.ENOENT && errno != unix.EINVAL
}

// Gone reports whether an error about a process means that it has ended:
// ENOENT from its folder, ESRCH from a file that was open already, EINVAL from
// mountinfo when it has no namespaces any more.
func Gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}
