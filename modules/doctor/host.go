// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hids/platform/diskspace"
	"hids/platform/features"
	"hids/platform/proc"
)

// watches holds the kernel's limits against the folders that are watched.
func watches(_ context.Context, e *examination) []Finding {
	limit, err := sysNumber(e, "fs/inotify/max_user_watches")
	if err != nil || e.Config == nil || !e.realtime() {
		return nil
	}
	p := e.process("syscheckd")
	if p == nil || p.State != stateRunning {
		return []Finding{good("a user can watch %d folders; hids status tells how many are needed", limit)}
	}
	d := p.detail
	need := d.Watched + d.Unwatched
	fix := fmt.Sprintf("echo fs.inotify.max_user_watches=%d >/etc/sysctl.d/90-hids.conf && sysctl --system && hids reload", roomy(need))
	switch {
	case d.Unwatched > 0:
		return []Finding{problem(fix, "%d folders of %d have no watch; they are looked at every few minutes", d.Unwatched, need)}
	case need > limit/10*9:
		return []Finding{warning(fix, "%d folders are watched, and a user can watch %d", need, limit)}
	}
	if d.Overflows > 0 {
		events, _ := sysNumber(e, "fs/inotify/max_queued_events")
		fix := fmt.Sprintf("echo fs.inotify.max_queued_events=%d >/etc/sysctl.d/91-hids.conf && sysctl --system && systemctl restart hids", 4*max(events, 1<<14))
		return []Finding{warning(fix, "notifications were lost %d times, and scans made up for it: more than %d at once", d.Overflows, events)}
	}
	return []Finding{good("%d folders are watched, and a user can watch %d", need, limit)}
}

// roomy is a limit with room to grow, a power of two.
func roomy(need int) int {
	n := 1 << 16
	for n < 2*need {
		n *= 2
	}
	return n
}

func (e *examination) realtime() bool {
	for _, d := range e.Config.Syscheck.Directories {
		if d.Realtime {
			return !e.Config.Syscheck.Disabled
		}
	}
	return false
}

func sysNumber(e *examination, name string) (int, error) {
	text, err := proc.ReadSys(e.Host, name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// openFiles holds what each process has open against what it may.
func openFiles(_ context.Context, e *examination) []Finding {
	var found []Finding
	looked := 0
	for _, p := range e.processes() {
		b, err := proc.ReadFile(e.Host, p.PID, "limits")
		if err != nil {
			continue
		}
		limit, ok := parseOpenFiles(string(b))
		open, err := os.ReadDir(e.Host.ProcPath(strconv.Itoa(p.PID), "fd"))
		if !ok || err != nil {
			continue
		}
		looked++
		fix := "systemctl edit hids, and there below [Service]: LimitNOFILE=65536; then systemctl restart hids"
		switch n := len(open); {
		case n > limit/10*9:
			found = append(found, problem(fix, "%s has %d files open and may have %d", p.Name, n, limit))
		case n > limit/2 || limit < 256:
			found = append(found, warning(fix, "%s has %d files open and may have only %d", p.Name, n, limit))
		}
	}
	if looked == 0 {
		return nil
	}
	return orGood(found, "the processes may open more files than they need")
}

// parseOpenFiles reads the soft limit of /proc/PID/limits.
func parseOpenFiles(text string) (int, bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if f := strings.Fields(rest); ok && len(f) > 0 {
			n, err := strconv.Atoi(f[0])
			return n, err == nil
		}
	}
	return 0, false
}

// use says what is lost without a feature of the kernel, and what brings it.
type use struct{ lost, fix string }

func uses() map[string]use {
	return map[string]use{
		features.Nftables: {"addresses are blocked by iptables, firewalld or routes, where there are any", "modprobe nf_tables"},
		features.Inotify:  {"changes are found by scans only", "echo fs.inotify.max_user_instances=1024 >/etc/sysctl.d/92-hids.conf && sysctl --system"},
		features.Fanotify: {"nothing that is switched on needs it", "a kernel with CONFIG_FANOTIFY"},
		features.SockDiag: {"hidden sockets are found less surely", "modprobe inet_diag tcp_diag udp_diag"},
		features.BPF:      {"programs in the kernel are not listed", "a kernel with CONFIG_BPF_SYSCALL"},
		features.Landlock: {"syscheckd and rootcheck are kept from writing by their users alone", "a kernel (5.13 or later) with CONFIG_SECURITY_LANDLOCK, and lsm=landlock,… on its command line"},
		features.Pidfd:    {"hidden processes are found less surely", "Linux 5.3 or later"},
	}
}

// kernel tries the parts of the kernel that hids can use.
func kernel(ctx context.Context, e *examination) []Finding {
	var found []Finding
	var there []string
	for _, f := range e.Features(ctx) {
		u := uses()[f.Name]
		switch {
		case f.Err == nil:
			there = append(there, f.Name)
		case errors.Is(f.Err, fs.ErrPermission) && !root():
			found = append(found, unchecked(fmt.Errorf("%s: %w", f.Name, f.Err)))
		case strings.HasPrefix(u.lost, "nothing"):
			found = append(found, good("%s is missing; %s (%v)", f.Name, u.lost, f.Err))
		default:
			found = append(found, warning(u.fix, "%s is missing, so %s (%v)", f.Name, u.lost, f.Err))
		}
	}
	if len(there) > 0 {
		found = append(found, good("the kernel has %s", strings.Join(there, ", ")))
	}
	return found
}

// What the file systems must have free: for a problem, and for a warning.
const (
	noRoom     = 16 << 20
	littleRoom = 256 << 20
)

// disk looks at the file systems on which hids writes.
func disk(_ context.Context, e *examination) []Finding {
	var found []Finding
	seen := map[diskspace.Space]bool{}
	for _, path := range []string{e.Layout.Home, e.Layout.Join("queue"), filepath.Dir(e.Layout.DaemonLog()), e.Layout.Join("var")} {
		s, err := diskspace.Of(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
				found = append(found, unchecked(err))
			}
			continue
		}
		if !seen[s] { // the same file system, or one like it in every respect
			seen[s] = true
			found = append(found, room(path, s)...)
		}
	}
	if len(seen) == 0 {
		return found
	}
	return orGood(found, "there is room in %s", e.Layout.Home)
}

func room(path string, s diskspace.Space) []Finding {
	fix := "df -h " + quote(path) + "; du -xh " + quote(path) + " | sort -h | tail"
	inodes := s.Inodes > 0 && s.FreeInodes < 100
	switch {
	case s.ReadOnly:
		return []Finding{problem("mount -o remount,rw "+quote(path), "%s is read-only: no state and no events can be written", path)}
	case s.Free < noRoom:
		return []Finding{problem(fix, "%s has only %d KiB free", path, s.Free>>10)}
	case inodes:
		return []Finding{problem("df -i "+quote(path), "%s has only %d inodes free", path, s.FreeInodes)}
	case s.Free < littleRoom:
		return []Finding{warning(fix, "%s has only %d MiB free", path, s.Free>>20)}
	}
	return nil
}

// clock holds the time against what was written before.
func clock(_ context.Context, e *examination) []Finding {
	var found []Finding
	for _, path := range []string{e.Layout.EventLog(), e.Layout.DaemonLog(), e.Layout.Baseline()} {
		fi, err := os.Stat(path)
		if err == nil && fi.ModTime().After(e.Now.Add(time.Hour)) {
			found = append(found, problem("timedatectl; timedatectl set-ntp true", "the clock was set back: %s was written %s from now", path, fi.ModTime().Sub(e.Now).Round(time.Second)))
			break
		}
	}
	ok, err := e.Clock()
	if err == nil && !ok {
		found = append(found, warning("timedatectl set-ntp true", "nobody keeps the clock right; events bear its time"))
	}
	if err != nil {
		return orGood(found, "the clock is not behind what was written")
	}
	return orGood(found, "the clock is kept right")
}
