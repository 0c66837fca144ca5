// SPDX-License-Identifier: Apache-2.0

package privdrop

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"hids/platform/signals"
)

// Cap is a capability of capabilities(7).
type Cap int

// ParseCaps turns names ("CAP_DAC_READ_SEARCH") into capabilities.
func ParseCaps(names []string) ([]Cap, error) {
	caps := make([]Cap, 0, len(names))
	for _, n := range names {
		i := slices.Index(capNames[:], n)
		if i < 0 {
			return nil, fmt.Errorf("unknown capability %q", n)
		}
		caps = append(caps, Cap(i))
	}
	return caps, nil
}

// String returns the name.
func (c Cap) String() string {
	if c < 0 || int(c) >= len(capNames) {
		return fmt.Sprintf("CAP_%d", int(c))
	}
	return capNames[c]
}

// CapsIn returns the capabilities of a set as the kernel writes it, CapEff of
// proc_pid_status(5), that this program has names for.
func CapsIn(set uint64) []Cap {
	var caps []Cap
	for i := range capNames {
		if set&(1<<i) != 0 {
			caps = append(caps, Cap(i))
		}
	}
	return caps
}

// capNames are the capabilities in the order of linux/capability.h.
var capNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// Held returns which of caps this process may use and hand on, and which not.
// A container's root often lacks some.
func Held(caps []Cap) (held, missing []Cap) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return nil, caps
	}
	for _, c := range caps {
		if data[c/32].Permitted&(1<<(c%32)) != 0 {
			held = append(held, c)
		} else {
			missing = append(missing, c)
		}
	}
	return held, missing
}

// Starter starts programs under one Plan. It owns an operating system thread:
// what a new process may at most have (the capability bounding set,
// no_new_privs) is an attribute of the thread that makes it, and so is the
// parent whose death it hears of.
type Starter struct {
	plan Plan
	jobs chan job
}

type job struct {
	cmd  *exec.Cmd
	done chan error
}

// NewStarter prepares the thread. Close ends it, and every program it started
// that still runs gets SIGTERM.
func NewStarter(p Plan) (*Starter, error) {
	s := &Starter{plan: p, jobs: make(chan job)}
	prepared := make(chan error)
	go s.loop(prepared)
	if err := <-prepared; err != nil {
		return nil, fmt.Errorf("limit privileges: %w", err)
	}
	return s, nil
}

func (s *Starter) loop(prepared chan<- error) {
	runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
	err := s.plan.limitThread()
	prepared <- err
	if err != nil {
		return
	}
	for j := range s.jobs {
		j.done <- j.cmd.Start()
	}
}

// limitThread bounds what programs started by this thread can ever have.
func (p Plan) limitThread() error {
	if !p.Limit {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	for c := Cap(0); ; c++ {
		if slices.Contains(p.Caps, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		switch {
		case errors.Is(err, unix.EINVAL): // the kernel knows no more
			return nil
		case errors.Is(err, unix.EPERM) && unix.Geteuid() != 0: // a plain user, who has none to lose
			return nil
		case err != nil:
			return fmt.Errorf("drop %v from the bounding set: %w", c, err)
		}
	}
}

// Start starts cmd in a process group of its own. It gets the signal of
// signals.Orphaned when this process dies. It fills in cmd.SysProcAttr.
func (s *Starter) Start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: signals.ParentDeath}
	s.plan.identity(cmd.SysProcAttr)
	j := job{cmd, make(chan error, 1)}
	s.jobs <- j
	return <-j.done
}

func (p Plan) identity(a *syscall.SysProcAttr) {
	if p.UID < 0 && p.GID < 0 {
		return
	}
	uid, gid := p.UID, p.GID
	if uid < 0 {
		uid = unix.Geteuid()
	}
	if gid < 0 {
		gid = unix.Getegid()
	}
	a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}
	if p.Limit && uid != 0 { // root gets what the bounding set has left
		for _, c := range p.Caps {
			a.AmbientCaps = append(a.AmbientCaps, uintptr(c))
		}
	}
}

// Close ends the thread. No Start may be under way.
func (s *Starter) Close() { close(s.jobs) }
