// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hids/config"
	"hids/config/rules"
	"hids/internal/testenv"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/platform/fswalk"
)

// tool runs a program of the system that the test needs.
func tool(t *testing.T, argv ...string) {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		testenv.Skip(t, argv[0]+" is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		testenv.Skip(t, fmt.Sprintf("%v: %v: %s", argv, err, out))
	}
}

func TestHostileNames(t *testing.T) {
	names := []string{
		"a b", "new\nline", "esc\x1b[2J", "\xff\xfe", strings.Repeat("n", 255), "-rf", "%s%n",
		"'; rm -rf $HOME; '", "d\x01/in", "d/in", "d!/in", "\x01",
	}
	f := newFixture(t, names...)
	r, told := f.run()
	f.expect(told)
	if r.Seeded != int64(1+len(names)+3) {
		t.Errorf("seeded %d", r.Seeded)
	}
	for _, n := range names {
		if got := f.seen(n); got == nil || got.SHA256 != sha256.Sum256([]byte("content of "+n)) {
			t.Errorf("%q is not on record", n)
		}
		f.write(n, "changed")
	}
	r, _ = f.run()
	if r.Changes[Updated] != int64(len(names)) || r.Differences() != int64(len(names)) {
		t.Errorf("changes %v", r.Changes)
	}
}

func TestWhatIsNoFileIsRecordedAndNotRead(t *testing.T) {
	f := newFixture(t, "file")
	tool(t, "mkfifo", f.path("fifo"))
	for link, target := range map[string]string{
		"zero": "/dev/zero", "loop": "loop", "one": "two", "two": "one", "tofile": "file",
		"tofifo": "fifo", "up": "..", "self": ".", "lost": "nowhere",
	} {
		f.must(os.Symlink(target, f.path(link)))
	}
	for range 2 { // the second time for its own sake: nothing is different
		f.o.HashLinkTarget = true
		_, told := f.run()
		f.expect(told)
	}
	for name, want := range map[string]record.Type{"fifo": record.FIFO, "zero": record.Symlink, "loop": record.Symlink, ".": record.Dir} {
		if got := f.seen(name); got == nil || got.Type != want || got.Has&record.HasSums != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	file, link := f.seen("file"), f.seen("tofile")
	if link.Has&record.HasSums != record.HasSums || link.SHA256 != file.SHA256 || link.Marks&record.MarkTargetSums == 0 || link.Target != "file" {
		t.Errorf("link with sums of its target: %+v", link)
	}
}

func TestDeviceIsRecordedAndNotRead(t *testing.T) {
	testenv.Root(t)
	f := newFixture(t)
	tool(t, "mknod", f.path("zero"), "c", "1", "5")
	f.run()
	if got := f.seen("zero"); got.Type != record.CharDevice || got.Rdev == 0 {
		t.Errorf("%+v", got)
	}
	f.remove("zero")
	tool(t, "mknod", f.path("zero"), "c", "1", "3")
	_, told := f.run()
	f.expect(told, "updated zero: rdev")
}

func TestSparseFileIsNotReadAboveTheLimit(t *testing.T) {
	f := newFixture(t, "huge", "small")
	f.must(os.Truncate(f.path("huge"), 8<<40))
	f.o.MaxFileSize = 1 << 20
	r, told := f.run()
	f.expect(told)
	if got := f.seen("huge"); got.Marks != record.MarkTooLarge || got.Size != 8<<40 || r.Bytes > 1<<20 {
		t.Errorf("%+v, %d bytes read", got, r.Bytes)
	}
	f.must(os.Truncate(f.path("huge"), 4<<40))
	_, told = f.run()
	f.expect(told, "updated huge: size")
}

func TestLargeFileHasTheSameSumsAsOneRead(t *testing.T) {
	f := newFixture(t)
	for _, size := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 7} {
		f.write("f", strings.Repeat("x", size))
		f.run()
		if got := f.seen("f"); got.SHA256 != sha256.Sum256([]byte(strings.Repeat("x", size))) {
			t.Errorf("wrong sum of %d bytes", size)
		}
	}
}

// meddler changes the tree each time some of a file was read.
type meddler struct {
	mu     sync.Mutex
	n      int
	meddle func(n int)
}

func (*meddler) file(context.Context, *fswalk.Task) {}

func (m *meddler) bytes(context.Context, *fswalk.Task, int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	m.meddle(m.n)
}

// runWith scans with a joiner that alter has changed.
func (f *fixture) runWith(events Events, alter func(*joiner)) *Result {
	f.t.Helper()
	f.o.Progress, f.o.Deadline = &Progress{}, DefaultDeadline
	r := &Result{Changes: map[Action]int64{}}
	j, err := newJoiner(f.t.Context(), f.db, &f.o, &events, r, nil)
	f.must(err)
	alter(j)
	f.must(j.run(roots(f.o.Rules)))
	return r
}

func TestFileThatChangesWhileItIsRead(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 3*bufferSize/16)
	grow := func(f *fixture) {
		w, err := os.OpenFile(f.path("f"), os.O_APPEND|os.O_WRONLY, 0)
		f.must(err)
		_, err = w.WriteString("more")
		f.must(err)
		f.must(w.Close())
	}
	for _, tc := range []struct {
		name   string
		meddle func(f *fixture, n int)
		want   string // the content on record; "": no matter which
		marks  record.Mark
	}{
		{"grows once", func(f *fixture, n int) {
			if n == 1 {
				grow(f)
			}
		}, big + "more", 0},
		{"never stops growing", func(f *fixture, _ int) { grow(f) }, "", record.MarkChanging},
		{"shrinks", func(f *fixture, n int) {
			if n == 1 {
				f.must(os.Truncate(f.path("f"), 10))
			}
		}, big[:10], 0},
		{"is replaced", func(f *fixture, n int) {
			if n == 1 {
				f.write("g", "other")
				f.rename("g", "f")
			}
		}, big, 0},
		{"vanishes", func(f *fixture, n int) {
			if n == 1 {
				f.remove("f")
			}
		}, big, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			f.write("f", big)
			f.runWith(Events{}, func(j *joiner) {
				j.pace = &meddler{meddle: func(n int) { tc.meddle(f, n) }}
			})
			got := f.seen("f")
			if got.Marks != tc.marks || got.Has&record.HasSums != record.HasSums {
				t.Errorf("marks %b, has %b", got.Marks, got.Has)
			}
			if tc.want != "" && (got.SHA256 != sha256.Sum256([]byte(tc.want)) || got.Size != int64(len(tc.want))) {
				t.Errorf("size %d and a sum that is not that of %d bytes", got.Size, len(tc.want))
			}
		})
	}
}

func TestPrefilterGetsThePathAndNoShell(t *testing.T) {
	f := newFixture(t, "a", "b;touch PWNED")
	f.o.Prefilter = []string{"/usr/bin/head", "-c", "3", "--"}
	if _, err := os.Stat(f.o.Prefilter[0]); err != nil {
		testenv.Skip(t, err.Error())
	}
	_, told := f.run()
	f.expect(told)
	for _, n := range []string{"a", "b;touch PWNED"} {
		if got := f.seen(n); got.SHA256 != sha256.Sum256([]byte("con")) {
			t.Errorf("%s: not the sum of what the filter wrote", n)
		}
	}
	f.write("a", "con, but other behind it")
	f.must(os.Truncate(f.path("a"), int64(len("content of a"))))
	_, told = f.run()
	f.expect(told)
	f.o.Prefilter = []string{"/usr/bin/false"}
	f.write("a", "x")
	_, told = f.run()
	if len(told) == 0 || !strings.HasPrefix(told[0], "fault a: prefilter /usr/bin/false") || f.seen("a").Has&record.HasSums != record.HasSums {
		t.Errorf("told %q", told)
	}
}

// asNobody runs this test again as the user nobody, who can't read everything.
// It is true in that run.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	dir, err := os.MkdirTemp("", "hids-nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "test")
	content, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, content, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		testenv.Skip(t, "setpriv is not installed")
	}
	cmd := exec.CommandContext(t.Context(), setpriv, "--reuid=65534", "--regid=65534", "--clear-groups",
		"--bounding-set=-all", "--inh-caps=-all", program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

func TestWhatCannotBeReadIsNotDeleted(t *testing.T) {
	if !asNobody(t) {
		return
	}
	f := newFixture(t, "dir/inside", "secret", "z")
	f.run()
	before := f.seen("secret")
	f.must(os.Chmod(f.path("secret"), 0))
	f.must(os.Chmod(f.path("dir"), 0))
	t.Cleanup(func() { _ = os.Chmod(f.path("dir"), 0o755) })
	r, told := f.run()
	f.expect(told,
		"attributes_modified dir: mode",
		"fault dir: permission denied",
		"fault secret: permission denied",
		"attributes_modified secret: mode")
	if r.Unread != 2 {
		t.Errorf("unread %d", r.Unread)
	}
	if got := f.seen("secret"); got.SHA256 != before.SHA256 || got.Has != before.Has {
		t.Error("the sums of the last time it could be read are lost")
	}
	f.must(os.Chmod(f.path("secret"), 0o644))
	f.write("secret", "changed while nobody could look")
	f.must(os.Chmod(f.path("dir"), 0o755))
	_, told = f.run()
	f.expect(told, "attributes_modified dir: mode", "updated secret: size md5 sha1 sha256 mode")
}

func TestMoreMovesThanAreKeptInMemory(t *testing.T) {
	f := newFixture(t)
	const n = spoolMemory / 400 // a path and a record are longer than half of that
	for i := range n {
		f.mkdir(fmt.Sprintf("old/%06d%s", i, strings.Repeat("n", 200)))
	}
	f.run()
	f.rename("old", "new")
	r := f.runWith(Events{Change: func(*Change) error { return nil }}, func(j *joiner) {
		j.batch = 1000
	})
	if c := r.Changes; c[Moved] != n+1 || r.Differences() != n+1 {
		t.Errorf("%v, of %d", r.Changes, n+1)
	}
	r, told := f.run()
	f.expect(told)
	if r.Files != int64(n+2) {
		t.Errorf("%d files", r.Files)
	}
}

func TestNothingIsLostByKill(t *testing.T) {
	if dir := os.Getenv("HIDS_TEST_VICTIM"); dir != "" {
		victim(t, dir)
		return
	}
	f := newFixture(t)
	for i := range 100 {
		f.write(fmt.Sprintf("d%d/f%d", i%10, i), "x")
	}
	f.must(f.db.Close())
	for round := range 8 {
		kill(t, filepath.Dir(f.root), round)
		db, err := baseline.Open(f.state)
		f.must(err)
		f.db = db
		f.must(db.Check(t.Context()))
		f.run() // brings it up to date, from whatever there was
		_, told := f.run()
		f.expect(told)
		f.must(db.Close())
	}
}

// kill starts a process that scans over and over, and kills it after as many
// lines of its progress as the round says.
func kill(t *testing.T, dir string, round int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestNothingIsLostByKill$")
	cmd.Env = append(os.Environ(), "HIDS_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1)
	for range 1 + round*17 {
		if _, err := out.Read(line); err != nil {
			break // it has ended by itself: it had nothing more to do
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// victim changes the tree and scans it, and writes a byte for each change.
func victim(t *testing.T, dir string) {
	f := &fixture{t: t, root: filepath.Join(dir, "tree"), state: filepath.Join(dir, "state", "baseline.db")}
	f.conf.Directories = []config.Directory{{Path: f.root, Checks: config.CheckAll, RecursionLevel: -1}}
	f.o.Rules = rules.New(&f.conf)
	f.open()
	tell := func() error { _, err := os.Stdout.WriteString("."); return err }
	for n := range 50 {
		for i := n % 7; i < 100; i += 7 {
			f.write(fmt.Sprintf("d%d/f%d", i%10, i), strings.Repeat("x", n))
		}
		f.rename(fmt.Sprintf("d%d", n%10), "aside")
		f.runWith(Events{
			Change: func(*Change) error { return tell() },
			Seeded: func(string, *record.Record, *config.Directory) error { return tell() },
		}, func(j *joiner) { j.batch = 16 })
		f.rename("aside", fmt.Sprintf("d%d", n%10))
	}
}
