// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/paths"
	"hids/platform/proc"
)

// running is what the check knows of a process with a program.
type running struct {
	pid       int
	stat      proc.Stat
	exe       string // as the link says
	file      string // without " (deleted)"
	deleted   bool
	argv0     string
	container bool // has a pid of its own in another namespace
}

func oddExecutables(ctx context.Context, s *check.Scan) error {
	pids, err := proc.Pids(s.Host)
	if err != nil {
		return err
	}
	e := &executables{scan: s, exes: make(map[int]string), kernelNames: make(map[string]bool), reported: make(map[string]bool)}
	var procs []running
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r, ok := e.look(ctx, pid); ok {
			procs = append(procs, r)
		}
	}
	if e.denied > 0 {
		s.Fault("read the programs of processes", fmt.Errorf("%d processes: %w", e.denied, fs.ErrPermission))
	}
	if e.silent > 0 {
		s.Fault("read the command lines of processes", fmt.Errorf("%d processes: %w", e.silent, errStuck))
	}
	if err := e.owners(ctx, procs); err != nil {
		s.Fault("ask which package owns a program", err)
	}
	for _, r := range procs {
		e.judge(r)
	}
	return nil
}

type executables struct {
	scan        *check.Scan
	exes        map[int]string // pid to link, for parents
	kernelNames map[string]bool
	reported    map[string]bool // rule and thing: one finding for all processes of a program
	owned       map[string]string
	denied      int
	silent      int // processes whose command line never came
	wait        patience
}

// look reads a process; ok is false for kernel threads, zombies and what has
// ended meanwhile.
func (e *executables) look(ctx context.Context, pid int) (running, bool) {
	h := e.scan.Host
	stat, err := proc.ReadStat(h, pid)
	if err != nil || stat.Zombie() {
		return running{}, false
	}
	if stat.Flags&proc.KernelThread != 0 {
		e.kernelNames[kernelName(stat.Comm)] = true
		return running{}, false
	}
	exe, err := proc.Exe(h, pid)
	if errors.Is(err, fs.ErrPermission) {
		e.denied++
	}
	cmdline, err := e.wait.read(ctx, func() ([]byte, error) { return proc.ReadFile(h, pid, "cmdline") })
	if errors.Is(err, errStuck) {
		e.silent++
	}
	again, err2 := proc.ReadStat(h, pid)
	if err2 != nil || again.Start != stat.Start || again.Zombie() {
		return running{}, false
	}
	r := running{pid: pid, stat: again, exe: exe}
	r.file, r.deleted = strings.CutSuffix(exe, " (deleted)")
	if r.deleted && e.reallyNamedSo(pid, exe) {
		r.file, r.deleted = exe, false
	}
	if args := proc.SplitNUL(cmdline); len(args) > 0 {
		r.argv0 = args[0]
	}
	if status, err := proc.ReadStatus(h, pid); err == nil {
		r.container = len(status.NSpid) > 1
	}
	e.exes[pid] = exe
	return r, true
}

// reallyNamedSo tells a file whose name ends in " (deleted)" from one that was
// deleted.
func (e *executables) reallyNamedSo(pid int, exe string) bool {
	if !e.touchable(pid, exe) {
		return false
	}
	opened, err1 := os.Stat(e.scan.Host.ProcPath(strconv.Itoa(pid), "exe"))
	named, err2 := os.Stat(inRootOf(e.scan.Host, pid, exe))
	return err1 == nil && err2 == nil && os.SameFile(opened, named)
}

// touchable reports whether a path as a process sees it is neither on another
// machine nor in somebody's file system, which may never answer.
func (e *executables) touchable(pid int, p string) bool {
	mounts, err := walk.ReadMountsOf(e.scan.Host, strconv.Itoa(pid))
	if err != nil {
		return false
	}
	for ; p != "/" && p != "."; p = path.Dir(p) {
		if mounts.Made[p] || mounts.Remote[p] {
			return false
		}
	}
	return !mounts.Made["/"] && !mounts.Remote["/"]
}

// inRootOf returns where a path as the process sees it is for us.
func inRootOf(h paths.Host, pid int, p string) string {
	return h.ProcPath(strconv.Itoa(pid), "root") + path.Clean("/"+p)
}

// owners asks once about every file that may be reported.
func (e *executables) owners(ctx context.Context, procs []running) error {
	if e.scan.Packages == nil {
		return nil
	}
	var ask []string
	for _, r := range procs {
		if (r.deleted || oddPlace(r.file) != "") && !r.container && !slices.Contains(ask, r.file) {
			ask = append(ask, r.file)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	var err error
	e.owned, err = e.scan.Packages.Owners(ctx, ask)
	return err
}

func (e *executables) judge(r running) {
	switch {
	case strings.HasPrefix(r.exe, "/memfd:"):
		e.memory(r)
	case r.deleted:
		e.deleted(r)
	case oddPlace(r.file) != "" && e.owned[r.file] == "":
		e.place(r)
	}
	e.masquerade(r)
}

// report says a thing once, however many processes it is about.
func (e *executables) report(r running, f check.Finding) {
	if key := f.Rule + "\x00" + f.Thing; e.reported[key] {
		return
	} else {
		e.reported[key] = true
	}
	f.PID, f.Exe = r.pid, r.exe
	f.Evidence = map[string]string{"comm": r.stat.Comm, "argv0": r.argv0, "parent": e.exes[r.stat.PPID]}
	if r.container {
		f.Evidence["container"] = "yes"
	}
	if f.Advice == "" {
		f.Advice = fmt.Sprintf("ls -l /proc/%d/exe /proc/%d/fd; tr '\\0' ' ' < /proc/%d/cmdline; cp /proc/%d/exe evidence", r.pid, r.pid, r.pid, r.pid)
	}
	e.scan.Report(f)
}

// memory: container runtimes run a sealed copy of themselves, so what they
// start under that very name is expected.
func (e *executables) memory(r running) {
	kind, rule := check.Suspicious, "memory"
	if r.file == "/memfd:runc_cloned:/proc/self/exe" && containerRuntime(e.exes[r.stat.PPID]) {
		kind, rule = check.Info, "runtime" // a rule of its own: it must not stand for another process of that name
	}
	name := event.SafeText(strings.TrimPrefix(r.file, "/memfd:"))
	e.report(r, check.Finding{
		Kind: kind, Rule: rule, Thing: r.file,
		Title: fmt.Sprintf("A process runs from memory: memfd '%s'.", name),
		Why:   "The program was never a file, so no scanner of files can have seen it. Malware does this; so do container runtimes and some sandboxes.",
		Wire:  fmt.Sprintf("Process '%s' running from memory (memfd).", name),
	})
}

func containerRuntime(exe string) bool {
	switch base := path.Base(exe); base {
	case "runc", "crun", "conmon", "dockerd", "podman", "buildkitd":
		return inSystemFolder(exe)
	default:
		return strings.HasPrefix(base, "containerd-shim") && inSystemFolder(exe)
	}
}

func inSystemFolder(p string) bool {
	return strings.HasPrefix(p, "/usr/") || strings.HasPrefix(p, "/bin/") || strings.HasPrefix(p, "/sbin/")
}

// deleted: after an upgrade the path is there again, or a package owns it. Where
// everybody may write, a file of that name says nothing: it is a decoy in no time.
func (e *executables) deleted(r running) {
	f := check.Finding{
		Kind: check.Suspicious, Rule: "deleted", Thing: r.file,
		Title: fmt.Sprintf("The program '%s' was deleted or replaced while it runs.", event.SafeText(r.file)),
		Why:   "Malware deletes its file after it has started. An upgrade that removed the file, or a build where everybody may write, has the same effect.",
		Wire:  fmt.Sprintf("Process executable '%s' was deleted or replaced while running.", event.SafeText(r.file)),
	}
	replaced := oddPlace(r.file) == "" && e.touchable(r.pid, r.file) && exists(inRootOf(e.scan.Host, r.pid, r.file))
	if replaced || e.owned[r.file] != "" {
		f.Kind, f.Rule, f.Wire = check.Info, "replaced", ""
		f.Title = fmt.Sprintf("A process still runs the old version of '%s'.", event.SafeText(r.file))
		f.Why = "The file was replaced, by an upgrade most likely, and the process has not been restarted."
	}
	e.report(r, f)
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}

func (e *executables) place(r running) {
	kind, where := check.Suspicious, oddPlace(r.file)
	if strings.HasPrefix(r.file, "/tmp/go-build") {
		kind = check.Info
	}
	e.report(r, check.Finding{
		Kind: kind, Rule: "place", Thing: r.file, Path: r.file,
		Title: fmt.Sprintf("A program runs from %s: '%s'.", where, event.SafeText(r.file)),
		Why:   "Everybody can write there, or few look there, so that is where intruders put programs. Builds and installers do it for a short time.",
		Wire:  fmt.Sprintf("Process executable '%s' is in %s.", event.SafeText(r.file), where),
	})
}

// oddPlace says in words why no program belongs at a path; "" where one may be.
func oddPlace(p string) string {
	for _, dir := range []string{"/dev/shm", "/tmp", "/var/tmp", "/dev", "/run/user", "/run/shm", "/proc"} {
		if strings.HasPrefix(p, dir+"/") {
			return dir
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		if strings.HasPrefix(part, ".") && !programFolder(part) {
			return "a hidden folder"
		}
	}
	return ""
}

// programFolder lists hidden folders in which language tools and desktops keep
// programs for a user.
func programFolder(name string) bool {
	return slices.Contains([]string{
		".local", ".cargo", ".rustup", ".nvm", ".npm", ".npm-global", ".cache", ".config", ".pyenv", ".rbenv", ".rvm",
		".asdf", ".sdkman", ".jdks", ".dotnet", ".deno", ".bun", ".volta", ".go", ".gem", ".venv", ".virtualenvs",
		".vscode-server", ".cursor-server", ".vscode", ".var", ".steam", ".wine", ".linuxbrew", ".nix-profile", ".krew", ".snapshots",
	}, name)
}

// masquerade finds what calls itself after a kernel thread but has a program.
func (e *executables) masquerade(r running) {
	name, ok := strings.CutPrefix(r.argv0, "[")
	end := strings.IndexByte(name, ']')
	if !ok || end < 0 || r.exe == "" {
		return
	}
	name = kernelName(name[:end])
	if !e.kernelNames[name] && !wellKnownThread(name) {
		return
	}
	e.report(r, check.Finding{
		Kind: check.Suspicious, Rule: "masquerade", Thing: r.exe, Severity: 10, Path: r.file,
		Title: fmt.Sprintf("The program '%s' poses as the kernel thread '%s'.", event.SafeText(r.file), event.SafeText(r.argv0)),
		Why:   "ps shows kernel threads in brackets. A program that takes such a name wants to be overlooked.",
		Wire:  fmt.Sprintf("Process executable '%s' poses as a kernel thread.", event.SafeText(r.file)),
	})
}

// kernelName cuts what differs between kernel threads of one sort:
// "kworker/0:1-events" and "kworker/u8:2" are both "kworker".
func kernelName(comm string) string {
	if i := strings.IndexAny(comm, "/:0123456789"); i > 0 {
		return comm[:i]
	}
	return comm
}

func wellKnownThread(name string) bool {
	return slices.Contains([]string{
		"kworker", "kthreadd", "ksoftirqd", "migration", "kswapd", "khugepaged", "kauditd", "kcompactd", "kblockd",
		"kdevtmpfs", "oom_reaper", "watchdog", "watchdogd", "rcu_sched", "rcu_preempt", "rcu_gp", "jbd", "scsi_eh",
		"irq", "cpuhp", "idle_inject", "writeback", "crypto", "kintegrityd", "ksmd", "netns", "mm_percpu_wq", "nfsd",
	}, name)
}
