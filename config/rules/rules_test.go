// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hids/config"
	"hids/config/match"
	"hids/config/rules"
)

func dir(path string, level int, restrict string) config.Directory {
	d := config.Directory{Path: path, RecursionLevel: level, Checks: config.CheckAll}
	if restrict != "" {
		d.Restrict = pattern(restrict)
	}
	return d
}

func pattern(p string) *match.Match {
	m, err := match.Compile(p)
	if err != nil {
		panic(err)
	}
	return m
}

func syscheck(dirs ...config.Directory) *config.Syscheck { return &config.Syscheck{Directories: dirs} }

func TestFor(t *testing.T) {
	r := rules.New(syscheck(
		dir("/etc", -1, ""),
		dir("/etc/ssh/", -1, ".conf$"),
		dir("/etc/deep", 1, ""),
		dir("/srv/one", 0, ""),
		dir("/opt/file", -1, ""),
		dir("/etc", 0, ""), // a double: the first counts
	))
	tests := []struct{ path, file, dir string }{
		{"/etc", "/etc", "/etc"},
		{"/etc/passwd", "/etc", "/etc"},
		{"/etcetera", "", ""},
		{"/", "", ""},
		{"/etc/a/b/c/d", "/etc", "/etc"},
		{"/etc/ssh/x.conf", "/etc/ssh", "/etc/ssh"},
		{"/etc/ssh/x.key", "/etc", "/etc/ssh"}, // restrict lets it fall to the wider entry
		{"/etc/deep/a/b", "/etc/deep", "/etc/deep"},
		{"/etc/deep/a/b/c", "/etc", "/etc"}, // too deep for the nearer entry
		{"/srv/one/f", "/srv/one", "/srv/one"},
		{"/srv/one/d/f", "", ""},
		{"/opt/file", "/opt/file", "/opt/file"},
	}
	for _, tt := range tests {
		file, _ := r.For(tt.path)
		directory, _ := r.ForDir(tt.path)
		if file.Path != tt.file || directory.Path != tt.dir {
			t.Errorf("%s: file %q, directory %q; want %q, %q", tt.path, file.Path, directory.Path, tt.file, tt.dir)
		}
	}
}

func TestForRoot(t *testing.T) {
	r := rules.New(syscheck(dir("/", 0, "")))
	for path, want := range map[string]bool{"/": true, "/etc": true, "/etc/passwd": false} {
		if _, ok := r.For(path); ok != want {
			t.Errorf("%s: %v", path, ok)
		}
	}
}

func TestDescend(t *testing.T) {
	r := rules.New(syscheck(dir("/a", 0, ""), dir("/b", 1, ""), dir("/c", -1, "nothing")))
	for path, want := range map[string]bool{
		"/a": true, "/a/x": false, "/b/x": true, "/b/x/y": false, "/c/x/y/z": true, "/": false,
	} {
		if got := r.Descend(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestRoots(t *testing.T) {
	s := syscheck(
		dir("/usr/bin", -1, ""), dir("/usr", 0, ""), dir("/etc", -1, ""), dir("/etc/ssh", -1, ""),
		dir("/usr/lib", -1, ""), dir("/etc/skip/in", -1, ""), dir("/usr-local", -1, ""), dir("/usr/lib/a/b", -1, ""),
	)
	s.Ignore = []config.PathRule{{Pattern: pattern("^/etc/skip$")}}
	// The walk of /usr meets /usr/bin and /usr/lib, which are entries themselves.
	want := []string{"/etc", "/etc/skip/in", "/usr", "/usr-local"}
	if got := rules.New(s).Roots(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s = syscheck(dir("/usr", 0, ""), dir("/usr/share/doc", -1, ""))
	if got := rules.New(s).Roots(); !slices.Equal(got, []string{"/usr", "/usr/share/doc"}) {
		t.Errorf("an entry below the recursion limit must be a root: %q", got)
	}
}

func TestIgnoredIsOSSECs(t *testing.T) {
	s := syscheck(dir("/", -1, ""))
	s.Ignore = []config.PathRule{{Prefix: "/etc/MTAB"}, {Pattern: pattern(".Log$|^/tmp/x$")}}
	s.NoDiff = []config.PathRule{{Prefix: "/etc/ssl/private"}}
	r := rules.New(s)
	for path, want := range map[string]bool{
		"/etc/mtab": true, "/ETC/mtab.bak": true, "/etc/mta": false, "/x/etc/mtab": false,
		"/var/a.LOG": true, "/var/a.log.1": false, "/tmp/x": true, "/tmp/xy": false,
	} {
		if _, got := r.Ignored(path); got != want {
			t.Errorf("Ignored(%q) = %v", path, got)
		}
	}
	if rule, ok := r.NoDiff("/etc/ssl/private/k.pem"); !ok || rule.Prefix != "/etc/ssl/private" {
		t.Errorf("NoDiff: %+v, %v", rule, ok)
	}
}

func TestExpand(t *testing.T) {
	s := syscheck(dir("/a", -1, ""), dir("/home/*/.ssh", 2, ""), dir("/none/*", -1, ""), dir("/home/*/x", -1, ""), dir("/bad/[", -1, ""))
	glob := func(p string) ([]string, error) {
		switch p {
		case "/home/*/.ssh":
			return []string{"/home/x/.ssh", "/home/y/.ssh"}, nil
		case "/home":
			return []string{"/home"}, nil
		case "/bad/[":
			return nil, filepath.ErrBadPattern
		default:
			return nil, nil
		}
	}
	out, faults := rules.Expand(s, glob)
	var got []string
	for _, d := range out.Directories {
		got = append(got, fmt.Sprint(d.Path, " ", d.RecursionLevel))
	}
	if want := []string{"/a -1", "/home/x/.ssh 2", "/home/y/.ssh 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(faults) != 2 || faults.Err() != nil || len(s.Directories) != 5 || faults[0].Message != `glob "/none/*": no folder "/none"` {
		t.Errorf("faults %v, original %d", faults, len(s.Directories))
	}
}

func TestExplain(t *testing.T) {
	wide := dir("/etc", -1, "")
	wide.ReportChanges = true
	s := syscheck(wide, dir("/etc/deep", 0, ""), dir("/srv", -1, ".conf$"))
	s.Ignore = []config.PathRule{{Pattern: pattern("^/etc/skip$")}, {Prefix: "/etc/mtab"}}
	s.NoDiff = []config.PathRule{{Prefix: "/etc/shadow"}}
	r := rules.New(s)
	tests := []struct {
		path    string
		watched bool
		diff    bool
		reason  string // is in one of the reasons
	}{
		{"/etc/passwd", true, true, "report_changes"},
		{"/etc/shadow", true, false, `<nodiff> "/etc/shadow"`},
		{"/etc/skip/in/here", false, false, "ignores /etc/skip"},
		{"/etc/mtab.bak", false, false, `<ignore> "/etc/mtab"`},
		{"/etc/deep/f", true, false, "more specific entry counts"},
		{"/etc/deep/a/f", true, true, "does not reach it: recursion_level 0, and it lies 1 deep"},
		{"/srv/x.key", false, false, `restrict is ".conf$"`},
		{"/var/x", false, false, "no <directories> entry covers it"},
	}
	for _, tt := range tests {
		e := r.Explain(tt.path, false)
		if e.Watched != tt.watched || e.Diff != tt.diff || !strings.Contains(strings.Join(e.Reasons, "\n"), tt.reason) {
			t.Errorf("%s: %+v", tt.path, e)
		}
	}
}

func TestRulesAllocateNothing(t *testing.T) {
	r := benchRules()
	allocs := testing.AllocsPerRun(100, func() {
		_, _ = r.For("/usr/share/doc/some-package/examples/file.txt")
		_, _ = r.ForDir("/usr/share/doc")
		_, _ = r.Ignored("/usr/share/doc/some-package/examples/file.txt")
		_, _ = r.NoDiff("/usr/share/doc/some-package/examples/file.txt")
		_ = r.Descend("/usr/share/doc")
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func benchRules() *rules.Rules {
	s := syscheck(dir("/etc", -1, ""), dir("/usr", -1, ""), dir("/bin", -1, ""), dir("/usr/share/man", -1, ""))
	for i := range 12 {
		s.Ignore = append(s.Ignore, config.PathRule{Prefix: fmt.Sprintf("/etc/ignored/%d", i)})
	}
	s.Ignore = append(s.Ignore, config.PathRule{Pattern: pattern(".swp$|.log$|~$")})
	return rules.New(s)
}

func BenchmarkRules(b *testing.B) {
	r := benchRules()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Ignored("/usr/share/doc/some-package/examples/file.txt")
		_, _ = r.For("/usr/share/doc/some-package/examples/file.txt")
	}
}
