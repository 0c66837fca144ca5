// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/plant"
	"hids/platform/proc"
)

// run asks one check about a host and returns what it found.
func run(t testing.TB, name string, f func(context.Context, *check.Scan) error, h paths.Host) []check.Finding {
	t.Helper()
	s, found := newScan(name, h)
	if err := f(t.Context(), s); errors.Is(err, check.ErrNotApplicable) {
		testenv.Skip(t, err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	return *found
}

func newScan(name string, h paths.Host) (*check.Scan, *[]check.Finding) {
	var found []check.Finding
	return &check.Scan{
		Host: h, Live: true, Check: name, Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(nil),
		Emit: func(f check.Finding) { found = append(found, f) },
	}, &found
}

// want fails unless exactly one finding is about the thing under the rule.
func want(t *testing.T, found []check.Finding, rule, thing string) check.Finding {
	t.Helper()
	i := slices.IndexFunc(found, func(f check.Finding) bool { return f.Rule == rule && f.Thing == thing })
	if i < 0 {
		t.Fatalf("no finding %s of %q among %d: %+v", rule, thing, len(found), found)
	}
	return found[i]
}

// copyOf puts a program that waits for its input at path.
func copyOf(t *testing.T, path string) {
	t.Helper()
	cat, err := exec.LookPath("cat")
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	in, err := os.Open(cat)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedExecutable(t *testing.T) {
	testenv.Root(t)
	decoyed := filepath.Join(t.TempDir(), "program")
	// Not where everybody may write.
	dir, err := os.MkdirTemp("/opt", "hids-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	upgraded := filepath.Join(dir, "program")
	for _, program := range []string{decoyed, upgraded} {
		copyOf(t, program)
		plant.Start(t, program, []string{"x"}, nil)
		if err := os.Remove(program); err != nil {
			t.Fatal(err)
		}
		f := want(t, run(t, "executables", oddExecutables, paths.Host{}), "deleted", program)
		if f.Kind != check.Suspicious || f.Wire != "Process executable '"+program+"' was deleted or replaced while running." {
			t.Errorf("%+v", f)
		}
		copyOf(t, program)
	}
	found := run(t, "executables", oddExecutables, paths.Host{})
	if f := want(t, found, "replaced", upgraded); f.Kind != check.Info || f.Wire != "" {
		t.Errorf("a replaced program is no alarm: %+v", f)
	}
	if f := want(t, found, "deleted", decoyed); f.Kind != check.Suspicious || f.Wire == "" {
		t.Errorf("a decoy in /tmp hides the program: %+v", f)
	}
}

// TestNamedDeleted: a file may be called "x (deleted)" without being so.
func TestNamedDeleted(t *testing.T) {
	testenv.Root(t)
	program := filepath.Join(t.TempDir(), "x (deleted)")
	copyOf(t, program)
	plant.Start(t, program, []string{"x"}, nil)
	for _, f := range run(t, "executables", oddExecutables, paths.Host{}) {
		if strings.HasPrefix(f.Thing, filepath.Dir(program)) && f.Rule != "place" {
			t.Errorf("%+v", f)
		}
	}
}

func TestMemoryExecutable(t *testing.T) {
	testenv.Root(t)
	plant.Start(t, plant.Memfd(t, "hids planted", "/bin/cat"), []string{"x"}, nil)
	f := want(t, run(t, "executables", oddExecutables, paths.Host{}), "memory", "/memfd:hids planted")
	if f.Kind != check.Suspicious || f.Wire != "Process 'hids planted' running from memory (memfd)." {
		t.Errorf("%+v", f)
	}
}

// TestRuntimeInMemory: what a container runtime runs from memory stands for no
// other process that calls its memory so.
func TestRuntimeInMemory(t *testing.T) {
	const name = "/memfd:runc_cloned:/proc/self/exe"
	var kinds []check.Kind
	s := &check.Scan{Emit: func(f check.Finding) { kinds = append(kinds, f.Kind) }}
	e := &executables{scan: s, exes: map[int]string{10: "/usr/bin/runc", 20: "/tmp/x"}, reported: map[string]bool{}}
	for _, parent := range []int{10, 20, 20} {
		e.judge(running{stat: proc.Stat{PPID: parent}, exe: name + " (deleted)", file: name, deleted: true})
	}
	if want := []check.Kind{check.Info, check.Suspicious}; !slices.Equal(kinds, want) {
		t.Errorf("found %v, want %v", kinds, want)
	}
}

func TestExecutableInSharedMemory(t *testing.T) {
	testenv.Root(t)
	dir, err := os.MkdirTemp("/dev/shm", "hids-test-")
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "x")
	copyOf(t, program)
	plant.Start(t, program, []string{"[kworker/0:7]"}, nil)
	found := run(t, "executables", oddExecutables, paths.Host{})
	want(t, found, "place", program)
	want(t, found, "masquerade", program)
}

func TestPreloadedDaemon(t *testing.T) {
	testenv.Root(t)
	lib := filepath.Join(t.TempDir(), "hook.so")
	plant.Start(t, "/bin/cat", []string{"cat"}, []string{"LD_PRELOAD=" + lib})
	found := run(t, "preload", preloads, paths.Host{})
	if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Path == lib && f.Kind == check.Suspicious }) {
		t.Errorf("the library is missing from %+v", found)
	}
}

func TestCoveredProcess(t *testing.T) {
	if !plant.Isolated(t, plant.Mounts) {
		return
	}
	pid := plant.Start(t, "/bin/cat", []string{"cat"}, nil)
	covered := "/proc/" + strconv.Itoa(pid)
	plant.BindMount(t, t.TempDir(), covered)
	f := want(t, run(t, "procmounts", coveredProcesses, paths.Host{}), "covered", covered)
	if f.Kind != check.Rootkit || f.Wire != "Mount '"+covered+"' covers a process directory in /proc. Possible hidden process." {
		t.Errorf("%+v", f)
	}
}

func TestCovering(t *testing.T) {
	mounts := proc.ParseMountinfo([]byte(`21 26 0:20 / /proc rw - proc proc rw
22 26 0:20 / /srv/root/proc rw - proc proc rw
30 21 0:30 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw
31 21 0:31 /null /proc/kcore rw - devtmpfs none rw
32 21 254:0 /empty /proc/77 rw - ext4 /dev/vda rw
33 32 254:0 /empty /proc/77 rw - ext4 /dev/vda rw
34 22 254:0 /empty /srv/root/proc/78/exe rw - ext4 /dev/vda rw
35 26 254:0 /x /data/proc/79 rw - ext4 /dev/vda rw
`))
	var got []int
	for _, m := range covering(mounts) {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, []int{32, 33, 34}) {
		t.Errorf("covering mounts %v, want 32, 33 and 34", got)
	}
}

// TestHiddenPid makes a /proc that lacks one process, in a pid namespace
// where nothing else starts or ends.
func TestHiddenPid(t *testing.T) {
	if !plant.Isolated(t, plant.Mounts|plant.Pids) {
		return
	}
	pid := plant.Start(t, "/bin/cat", []string{"cat"}, nil)
	h := fakeProc(t, "")
	if found := run(t, "pids", hiddenPids, h); len(found) != 0 {
		t.Errorf("with a whole listing: %+v", found)
	}
	h = fakeProc(t, strconv.Itoa(pid))
	found := run(t, "pids", hiddenPids, h)
	if len(found) != 1 || found[0].PID != pid || found[0].Kind != check.Rootkit ||
		found[0].Wire != "Process '"+strconv.Itoa(pid)+"' hidden from /proc. Possible kernel level rootkit." {
		t.Errorf("with pid %d left out: %+v", pid, found)
	}
}

// TestGroupCount puts a process into a real control group of its own, and takes
// it out of /proc. The group's count stays.
func TestGroupCount(t *testing.T) {
	if !plant.Isolated(t, plant.Mounts|plant.Pids) {
		return
	}
	pid := plant.Start(t, "/bin/cat", []string{"cat"}, nil)
	group := plant.Group(t, pid)
	for without, want := range map[string]int{"": 0, strconv.Itoa(pid): 1} {
		h := fakeProc(t, without)
		writeLink(t, h.ProcPath("self", "ns", "cgroup"), "cgroup:[4026531835]")
		copyFile(t, "/proc/self/mountinfo", h.ProcPath("self", "mountinfo"))
		groups, err := proc.PidGroups(h)
		if err != nil || groups.Dirs[group] == "" {
			t.Fatalf("group %q is not among %v, %v", group, groups.Dirs, err)
		}
		groups.Dirs = map[string]string{group: groups.Dirs[group]} // others have tasks of other namespaces
		c := counter{
			total:  func() (map[string]int, error) { return groups.Counts(), nil },
			listed: func() (map[string]int, error) { return listedCounts(h, groups) },
		}
		if got, err := c.missing(t.Context()); err != nil || got[group] != want {
			t.Errorf("without %q: %v, %v, want %d", without, got, err, want)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(text))
}

// fakeProc links to everything in /proc but one entry, and says that this is
// the initial pid namespace.
func fakeProc(t *testing.T, without string) paths.Host {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == without || e.Name() == "self" || e.Name() == "sys" {
			continue
		}
		if err := os.Symlink("/proc/"+e.Name(), filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	writeLink(t, filepath.Join(dir, "self", "ns", "pid"), proc.InitialPIDNamespace)
	// Namespaces have a pid_max of their own, and it is the highest there is.
	writeFile(t, filepath.Join(dir, "sys", "kernel", "pid_max"), "32768\n")
	return paths.Host{Proc: dir}
}

// TestQuietOnBusyHost starts processes without a pause while the checks run
// that compare two moments: none of them may take a birth or a death for a
// rootkit.
func TestQuietOnBusyHost(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			exec.Command("/bin/true").Run()
		}
	}()
	defer func() { stop(); <-done }()
	ls := hostTools()
	for name, f := range map[string]func(context.Context, *check.Scan) error{
		"pids": hiddenPids, "tasks": taskCount, "tools": ls.run,
	} {
		s, found := newScan(name, paths.Host{})
		if err := f(ctx, s); err != nil && !errors.Is(err, check.ErrNotApplicable) {
			t.Error(err)
		}
		for _, f := range *found {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func BenchmarkPids(b *testing.B) { benchmark(b, hiddenPids) }

// BenchmarkSweepWholePidSpace asks about every pid that a kernel can have, and
// for comparison makes as many of the cheapest calls that look a pid up. The two take
// turns, so a busy machine slows both alike.
func BenchmarkSweepWholePidSpace(b *testing.B) {
	known, err := proc.Tasks(paths.Host{})
	if err != nil {
		b.Fatal(err)
	}
	oracles := proc.Trusted(proc.Oracles(), os.Getpid())
	floor := oracles[slices.IndexFunc(oracles, func(o proc.Oracle) bool { return o.Name == "getsid" })].Ask
	const step = 1 << 16
	var ours, least time.Duration
	for b.Loop() {
		for from := 0; from < 1<<22; from += step {
			h := &hunt{oracles: oracles, limit: from + step, seed: rand.IntN(1000)}
			start := plant.CPU(b)
			if from == 0 {
				_, err = h.sweep(b.Context(), known)
			} else {
				_, err = h.sweepRest(b.Context(), from, nil)
			}
			middle := plant.CPU(b)
			for id := from; id < from+step; id++ {
				floor(id)
			}
			ours, least = ours+middle-start, least+plant.CPU(b)-middle
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(least.Seconds()/float64(b.N), "floor-cpu-s/op")
	b.ReportMetric(float64(ours)/float64(least), "ratio")
}

func BenchmarkExecutables(b *testing.B) { benchmark(b, oddExecutables) }
func BenchmarkPreload(b *testing.B)     { benchmark(b, preloads) }
func BenchmarkProcMounts(b *testing.B)  { benchmark(b, coveredProcesses) }
func BenchmarkTools(b *testing.B)       { benchmark(b, hostTools().run) }

func benchmark(b *testing.B, f func(context.Context, *check.Scan) error) {
	for b.Loop() {
		s, _ := newScan("bench", paths.Host{})
		if err := f(b.Context(), s); err != nil {
			b.Skip(err)
		}
	}
}
