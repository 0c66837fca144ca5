// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/config/rules"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
)

// fixture is a tree, what watches it, and its baseline.
type fixture struct {
	t     *testing.T
	root  string
	state string
	conf  config.Syscheck
	o     Options
	db    *baseline.DB
}

func newFixture(t *testing.T, names ...string) *fixture {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, root: filepath.ToSlash(filepath.Join(root, "tree")), state: filepath.Join(root, "state", "baseline.db")}
	f.mkdir("")
	for _, n := range names {
		f.write(n, "content of "+n)
	}
	f.watch("")
	f.open()
	t.Cleanup(func() { _ = f.db.Close() })
	return f
}

func (f *fixture) path(name string) string { return path.Join(f.root, name) }

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) mkdir(name string) { f.t.Helper(); f.must(os.MkdirAll(f.path(name), 0o755)) }

func (f *fixture) write(name, content string) {
	f.t.Helper()
	f.mkdir(filepath.Dir(name))
	f.must(os.WriteFile(f.path(name), []byte(content), 0o644))
}

func (f *fixture) rename(from, to string) { f.t.Helper(); f.must(os.Rename(f.path(from), f.path(to))) }

func (f *fixture) remove(name string) { f.t.Helper(); f.must(os.RemoveAll(f.path(name))) }

// watch makes the given folders of the tree the watched ones.
func (f *fixture) watch(names ...string) {
	f.conf.Directories = nil
	for _, n := range names {
		f.conf.Directories = append(f.conf.Directories, config.Directory{Path: f.path(n), Checks: config.CheckAll, RecursionLevel: -1})
	}
	f.o.Rules = rules.New(&f.conf)
}

func (f *fixture) open() {
	f.t.Helper()
	db, err := baseline.Open(f.state)
	f.must(err)
	f.db = db
}

// relative shortens the paths of the tree.
func (f *fixture) relative(path string) string {
	if path == f.root {
		return "."
	}
	return strings.TrimPrefix(path, f.root+"/")
}

// run scans and returns what is told, one line each.
func (f *fixture) run(names ...string) (*Result, []string) {
	f.t.Helper()
	f.o.Paths = nil
	for _, n := range names {
		f.o.Paths = append(f.o.Paths, f.path(n))
	}
	var told []string
	r, err := Run(f.t.Context(), f.db, f.o, Events{
		Change: func(c *Change) error { told = append(told, f.line(c)); return nil },
		Fault: func(x Fault) error {
			told = append(told, fmt.Sprintf("fault %s: %v", f.relative(x.Path), x.Err))
			return nil
		},
	})
	f.must(err)
	return r, told
}

func (f *fixture) line(c *Change) string {
	s := string(c.Action) + " " + f.relative(c.Path)
	if c.From != "" {
		s += " from " + f.relative(c.From)
	}
	var names []string
	for _, d := range c.Fields {
		names = append(names, d.Name)
	}
	if len(names) > 0 {
		s += ": " + strings.Join(names, " ")
	}
	return s
}

func (f *fixture) expect(got []string, want ...string) {
	f.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		f.t.Error(d)
	}
}

func (f *fixture) seen(name string) *record.Record {
	f.t.Helper()
	e, ok, err := f.db.Lookup(f.path(name))
	f.must(err)
	if !ok {
		return nil
	}
	return e.Seen
}

func TestScanTellsExactlyWhatChanged(t *testing.T) {
	f := newFixture(t, "edited", "chmod", "gone", "old/moved", "old/stays", "same", "z")
	r, told := f.run()
	f.expect(told)
	if !r.First || r.Seeded != 9 || f.db.First() {
		t.Fatalf("first scan: %+v", r)
	}
	f.write("edited", "other")
	f.must(os.Chmod(f.path("chmod"), 0o4755))
	f.remove("gone")
	f.write("new", "something else")
	f.mkdir("into")
	f.rename("old/moved", "into/moved")
	_, told = f.run()
	f.expect(told,
		"attributes_modified chmod: mode",
		"updated edited: size md5 sha1 sha256",
		"deleted gone",
		"created into",
		"moved into/moved from old/moved",
		"created new",
	)
	_, told = f.run()
	f.expect(told)
}

func TestMovedFolderMovesItsContent(t *testing.T) {
	f := newFixture(t, "a/b/one", "a/b/two")
	f.run()
	f.rename("a", "c")
	_, told := f.run()
	f.expect(told, "moved c from a", "moved c/b from a/b", "moved c/b/one from a/b/one", "moved c/b/two from a/b/two")
}

func TestSameContentElsewhereIsAMove(t *testing.T) {
	f := newFixture(t, "a", "keep")
	f.run()
	f.write("b", "content of a") // before a goes: no inode is used again
	f.remove("a")
	_, told := f.run()
	f.expect(told, "moved b from a")
}

func TestInodeUsedAgainIsNoMove(t *testing.T) {
	f := newFixture(t, "a")
	f.run()
	// ext4 gives the freed inode to the next file made in the folder.
	f.remove("a")
	f.write("b", "nothing like it")
	_, told := f.run()
	f.expect(told, "deleted a", "created b")
}

func TestHardLinksAreFilesOfTheirOwn(t *testing.T) {
	f := newFixture(t, "a")
	f.must(os.Link(f.path("a"), f.path("b")))
	f.run()
	f.must(os.WriteFile(f.path("b"), []byte("x"), 0o644))
	_, told := f.run()
	f.expect(told, "updated a: size md5 sha1 sha256", "updated b: size md5 sha1 sha256")
	f.remove("a")
	_, told = f.run()
	f.expect(told, "deleted a")
}

func TestScanOfPathsLeavesTheRestAlone(t *testing.T) {
	f := newFixture(t, "a/1", "b/1", "b/2", "c/1")
	f.run()
	f.remove("a/1")
	f.remove("b/1")
	f.remove("c")
	_, told := f.run("b", "none")
	f.expect(told, "deleted b/1")
	_, told = f.run("c/1")
	f.expect(told, "deleted c/1")
	_, told = f.run()
	f.expect(told, "deleted a/1", "deleted c")
}

func TestNewRootIsSeededInSilence(t *testing.T) {
	f := newFixture(t, "a/1", "b/1")
	f.watch("a")
	f.run()
	f.watch("a", "b")
	f.write("a/2", "x")
	r, told := f.run()
	f.expect(told, "created a/2")
	if r.Seeded != 2 {
		t.Errorf("seeded %d, want b and b/1", r.Seeded)
	}
	f.write("b/2", "y")
	_, told = f.run()
	f.expect(told, "created b/2")
	f.watch("a")
	r, told = f.run()
	f.expect(told)
	if r.Dropped != 3 {
		t.Errorf("dropped %d of b, b/1, b/2", r.Dropped)
	}
	f.watch("a", "b")
	_, told = f.run()
	f.expect(told) // watched anew: its first scan again
}

func TestIgnoredAndRestricted(t *testing.T) {
	f := newFixture(t, "a/log", "a/conf", "b/deep/er/x", "b/y", "skip/in/x", "skip/y")
	f.watch("a", "b", "skip", "skip/in")
	f.conf.Directories[1].RecursionLevel = 0
	f.conf.Ignore = []config.PathRule{{Prefix: f.path("a/log")}, {Prefix: f.path("skip")}}
	f.o.Rules = rules.New(&f.conf)
	f.run()
	var got []string
	for e, err := range f.db.All() {
		f.must(err)
		got = append(got, f.relative(e.Path))
	}
	f.expect(got, "a", "a/conf", "b", "b/deep", "b/y", "skip", "skip/in")
}

func TestQuietScanWritesNothing(t *testing.T) {
	f := newFixture(t, "a/1", "a/2", "b")
	f.run()
	before, err := os.ReadFile(f.state)
	f.must(err)
	f.run()
	f.run("a")
	after, err := os.ReadFile(f.state)
	f.must(err)
	if !slices.Equal(before, after) {
		t.Error("the baseline was written")
	}
}

func TestTouchIsNoChangeButIsRemembered(t *testing.T) {
	f := newFixture(t, "a")
	f.run()
	info, err := os.Stat(f.path("a"))
	f.must(err)
	f.must(os.Chtimes(f.path("a"), info.ModTime().Add(1e9), info.ModTime().Add(1e9)))
	_, told := f.run()
	f.expect(told)
	if got := f.seen("a").Mtime; got != info.ModTime().Add(1e9).UnixNano() {
		t.Errorf("mtime %d was not remembered", got)
	}
}

func TestErrorOfTheReceiverEndsTheScan(t *testing.T) {
	f := newFixture(t, "a", "b", "c")
	f.run()
	for _, n := range []string{"a", "b", "c"} {
		f.write(n, "changed")
	}
	full := fmt.Errorf("queue is full")
	n := 0
	_, err := Run(t.Context(), f.db, f.o, Events{Change: func(*Change) error {
		if n++; n == 2 {
			return full
		}
		return nil
	}})
	if err == nil || !strings.Contains(err.Error(), "queue is full") {
		t.Fatalf("error %v", err)
	}
	_, told := f.run() // a was handed over, b was refused
	f.expect(told, "updated b: size md5 sha1 sha256", "updated c: size md5 sha1 sha256")
}

func TestCancelledFirstScanLeavesNoBaseline(t *testing.T) {
	f := newFixture(t, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, f.db, f.o, Events{}); err == nil {
		t.Fatal("no error")
	}
	f.must(f.db.Close())
	if files, _ := filepath.Glob(f.state + "*"); slices.Contains(files, f.state) || slices.Contains(files, f.state+".first") {
		t.Errorf("left behind: %v", files)
	}
	f.open()
}

func TestAcceptedStateIsWhatDifferencesAreFrom(t *testing.T) {
	f := newFixture(t, "a", "b", "c", "d")
	f.run()
	f.write("a", "1")
	f.run()
	f.write("a", "22")
	f.remove("b")
	f.rename("c", "e")
	f.run()
	f.rename("e", "f")
	f.run()
	f.expect(f.differences(), "a changed", "b deleted", "f moved from c")
	n, err := f.db.Accept(f.path("a"), f.path("f"))
	f.must(err)
	if n != 2 {
		t.Errorf("accepted %d", n)
	}
	f.expect(f.differences(), "b deleted")
	f.write("b", "content of b")
	f.run()
	f.expect(f.differences()) // back as it was accepted
}

func (f *fixture) differences() []string {
	f.t.Helper()
	var list []string
	for e, err := range f.db.Differences() {
		f.must(err)
		what := "changed"
		switch {
		case e.From != "":
			what = "moved from " + f.relative(e.From)
		case e.Seen == nil:
			what = "deleted"
		case e.Accepted == nil:
			what = "created"
		}
		list = append(list, f.relative(e.Path)+" "+what)
	}
	return list
}

func TestWatchedLinkIsFollowedWhereverItIs(t *testing.T) {
	f := newFixture(t, "etc/a/x", "etc/z", "data/in/y")
	f.must(os.Symlink("../data", f.path("etc/link")))
	f.must(os.Symlink("../data", f.path("etc/other")))
	f.watch("etc", "etc/link", "etc/a")
	f.run()
	var got []string
	for e, err := range f.db.All() {
		f.must(err)
		got = append(got, f.relative(e.Path))
	}
	f.expect(got, "etc", "etc/a", "etc/a/x", "etc/link", "etc/link/in", "etc/link/in/y", "etc/other", "etc/z")
	f.write("data/in/y", "changed")
	_, told := f.run("etc/link/in")
	f.expect(told, "updated etc/link/in/y: size md5 sha1 sha256")
}

func TestPathsAreResolvedToWhatIsWatched(t *testing.T) {
	f := newFixture(t, "usr/bin/sh", "opt/x")
	f.must(os.Symlink("usr/bin", f.path("bin")))
	f.watch("bin", "usr/bin")
	r, told := f.run()
	f.expect(told)
	if r.Seeded != 3 { // bin itself, usr/bin, usr/bin/sh
		t.Errorf("seeded %d", r.Seeded)
	}
	f.write("usr/bin/sh", "trojan")
	_, told = f.run("bin/sh")
	f.expect(told, "updated usr/bin/sh: size md5 sha1 sha256")
	f.o.Paths = []string{f.path("opt")}
	if _, err := Run(t.Context(), f.db, f.o, Events{}); err == nil {
		t.Error("a path that is not watched was scanned")
	}
}
