// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/paths"
	"hids/platform/proc"
)

// tools compares ls and ps, which a preloaded library deceives, with what this
// program sees, which asks the kernel without any library.
type tools struct {
	dirs []string   // what ls is asked about
	envs [][]string // environments to run the tools in
}

// hostTools is what a scan uses: a clean environment, and ours if it differs
// in what the loader looks at.
func hostTools() tools {
	t := tools{
		dirs: []string{"/", "/bin", "/dev", "/dev/shm", "/etc", "/home", "/lib", "/root", "/run", "/tmp", "/usr/lib", "/usr/sbin", "/var/tmp"},
		envs: [][]string{cleanEnv()},
	}
	if slices.ContainsFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "LD_") }) {
		t.envs = append(t.envs, append(os.Environ(), cleanEnv()...))
	}
	return t
}

func cleanEnv() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C"} }

func (t tools) run(ctx context.Context, s *check.Scan) error {
	ls, ps := tool("ls"), tool("ps")
	if ls == "" && ps == "" {
		return check.NotApplicable("neither ls nor ps is installed")
	}
	mounts, err := walk.ReadMounts(s.Host)
	if err != nil {
		s.Fault("read mounts", err)
	}
	dirs := slices.DeleteFunc(slices.Clone(t.dirs), func(dir string) bool { return mounts.Made[dir] || mounts.Remote[dir] })
	for _, env := range t.envs {
		if ls != "" {
			for _, dir := range dirs {
				if err := compareList(ctx, s, command{ls, env}, dir); err != nil {
					return err
				}
			}
		}
		if ps != "" {
			if err := compareProcesses(ctx, s, command{ps, env}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tool finds a program by absolute path only.
func tool(name string) string {
	for _, dir := range []string{"/bin/", "/usr/bin/"} {
		if fi, err := os.Stat(dir + name); err == nil && fi.Mode().IsRegular() {
			return dir + name
		}
	}
	return ""
}

type command struct {
	path string
	env  []string
}

// output runs the tool. It may be any program by now, so it gets a minute.
func (c command) output(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = c.env, "/", time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", c.path, err)
	}
	return out, nil
}

// compareList reports names of a folder that ls leaves out three times while
// they are there before and after.
func compareList(ctx context.Context, s *check.Scan, ls command, dir string) error {
	var missing []string
	for round := range check.Rounds {
		before, err := names(dir)
		if err != nil {
			return skip(ctx, s, "list folder", err)
		}
		out, err := ls.output(ctx, "-a", "-1", "--", dir)
		if err != nil {
			return skip(ctx, s, "list folder with ls", err)
		}
		after, err := names(dir)
		if err != nil {
			return skip(ctx, s, "list folder", err)
		}
		now := absent(before, after, lines(out))
		if round > 0 {
			now = intersect(missing, now)
		}
		if missing = now; len(missing) == 0 {
			return nil
		}
		if err := check.Rest(ctx); err != nil {
			return err
		}
	}
	for _, name := range missing {
		reportUnlisted(s, filepath.Join(dir, name))
	}
	return nil
}

// skip makes a fault of whatever keeps us from comparing, unless the scan ends.
func skip(ctx context.Context, s *check.Scan, op string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.Fault(op, err)
	}
	return nil
}

func names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func lines(out []byte) map[string]bool {
	set := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set
}

// absent returns what stands in both lists and not in what the tool showed.
// Names that a tool may show in another spelling are left out.
func absent(before, after []string, shown map[string]bool) []string {
	stayed := make(map[string]bool, len(after))
	for _, name := range after {
		stayed[name] = true
	}
	var missing []string
	for _, name := range before {
		if stayed[name] && !shown[name] && event.SafeText(name) == name {
			missing = append(missing, name)
		}
	}
	return missing
}

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return !slices.Contains(b, name) })
}

func reportUnlisted(s *check.Scan, file string) {
	text := event.SafeText(file)
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "ls", Thing: file, Path: file,
		Title:  fmt.Sprintf("ls does not show '%s', which is there.", text),
		Why:    "hids asks the kernel without any library. A tool that shows less has been replaced, or a library that hides files is loaded into it.",
		Advice: "cat /etc/ld.so.preload; LD_TRACE_LOADED_OBJECTS=1 /bin/ls; verify the package of ls",
		Wire:   fmt.Sprintf("System tools do not list '%s'. Possible user level rootkit (library preload).", text),
	})
}

// compareProcesses reports processes that ps leaves out three times.
func compareProcesses(ctx context.Context, s *check.Scan, ps command) error {
	var missing []string
	for round := range check.Rounds {
		before, err := identities(s.Host)
		if err != nil {
			return err
		}
		out, err := ps.output(ctx, "-e", "-o", "pid=")
		if err != nil {
			return skip(ctx, s, "list processes with ps", err)
		}
		after, err := identities(s.Host)
		if err != nil {
			return err
		}
		now := unshown(before, after, strings.Fields(string(out)))
		if round > 0 {
			now = intersect(missing, now)
		}
		if missing = now; len(missing) == 0 {
			return nil
		}
		if err := check.Rest(ctx); err != nil {
			return err
		}
	}
	for i, pid := range missing {
		if i == excessive {
			break
		}
		reportUnshown(s, pid)
	}
	return nil
}

// identities maps each listed pid to when its process began, so that a pid
// that was given to another process meanwhile is not taken for the same.
func identities(h paths.Host) (map[string]uint64, error) {
	pids, err := proc.Pids(h)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uint64, len(pids))
	for _, pid := range pids {
		if stat, err := proc.ReadStat(h, pid); err == nil {
			ids[strconv.Itoa(pid)] = stat.Start
		}
	}
	return ids, nil
}

func unshown(before, after map[string]uint64, shown []string) []string {
	var missing []string
	for pid, start := range before {
		if again, ok := after[pid]; ok && again == start && !slices.Contains(shown, pid) {
			missing = append(missing, pid)
		}
	}
	slices.Sort(missing)
	return missing
}

func reportUnshown(s *check.Scan, pid string) {
	n, _ := strconv.Atoi(pid)
	exe, _ := proc.Exe(s.Host, n)
	thing := exe
	if thing == "" {
		thing = "pid " + pid
	}
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "ps", Thing: thing, PID: n, Exe: exe,
		Title:  fmt.Sprintf("ps does not show process %s, which is there.", pid),
		Why:    "hids reads /proc without any library. A ps that shows less has been replaced, or a library that hides processes is loaded into it.",
		Advice: fmt.Sprintf("cat /etc/ld.so.preload; ls -l /proc/%s/exe; verify the package of ps", pid),
		Wire:   fmt.Sprintf("Process '%s' hidden from ps. Possible trojaned version installed.", pid),
	})
}
