// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/config/match"
	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
)

// lying is a folder whose answers a rootkit filters: some names are listed and
// can't be looked at.
type lying struct {
	listings [][]string // one for each time it is listed
	there    []string
	read     bool
}

func (l *lying) Rewind() error {
	l.read = false
	return nil
}

func (l *lying) Names(int) ([]string, error) {
	if l.read || len(l.listings) == 0 {
		return nil, io.EOF
	}
	l.read = true
	names := l.listings[0]
	if len(l.listings) > 1 {
		l.listings = l.listings[1:]
	}
	return names, nil
}

func (l *lying) Lstat(name string) (hostfile.Info, error) {
	if slices.Contains(l.there, name) {
		return hostfile.Info{}, nil
	}
	return hostfile.Info{}, fs.ErrNotExist
}

// walker is a sysWalk over this machine that keeps what it reports.
func walker(t *testing.T) (*sysWalk, *[]string) {
	t.Helper()
	files, err := hostfile.New("")
	must(t, err)
	var texts []string
	s := &check.Scan{Check: "sys", FS: files, Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler)}
	s.Emit = func(f check.Finding) { texts = append(texts, f.Wire) }
	return &sysWalk{ctx: t.Context(), s: s}, &texts
}

// OSSEC reports every file that is deleted between listing and looking; here a
// name must be listed three times and be missing three times.
func TestHiddenNamesAreLookedAtAgain(t *testing.T) {
	w, texts := walker(t)
	d := &lying{
		listings: [][]string{{"hidden", "deleted-late", "back"}, {"hidden", "back"}},
		there:    []string{"back"},
	}
	w.confirmHidden(d, "/x", []string{"hidden", "deleted", "deleted-late", "back"})
	want := []string{"Anomaly detected in file '/x/hidden'. Hidden from stats, but showing up on readdir. Possible kernel level rootkit."}
	if diff := cmp.Diff(want, *texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}

// A folder that lists fewer subfolders than it counts.
func TestLinkCount(t *testing.T) {
	w, texts := walker(t)
	dir := t.TempDir()
	plant{"a/": "", "b/": "", "file": "x"}.in(t, dir)
	d, err := w.s.FS.OpenDir(dir, false)
	must(t, err)
	defer d.Close()
	if fsType, err := d.FSType(); err != nil || !fsType.CountsLinks() {
		testenv.Skip(t, "needs a file system that counts links")
	}
	self, err := d.Info()
	must(t, err)
	w.countLinks(d, dir, listing{self, 2, 0}, self)
	if len(*texts) > 0 {
		t.Errorf("an honest folder is reported: %v", *texts)
	}
	w.countLinks(d, dir, listing{self, 1, 0}, self)
	want := []string{"Files hidden inside directory '" + dir + "'. Link count does not match number of files (3,4)."}
	if diff := cmp.Diff(want, *texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	// What nobody may look at, a user's FUSE mount, may be the missing folder.
	*texts = nil
	w.countLinks(d, dir, listing{self, 1, 1}, self)
	if len(*texts) > 0 {
		t.Errorf("a folder with a closed one in it is reported: %v", *texts)
	}
	w.countLinks(d, dir, listing{self, 0, 1}, self)
	if len(*texts) != 1 {
		t.Errorf("a closed folder excuses more than one: %v", *texts)
	}
	// The folder changed since: counting again finds nothing wrong.
	*texts = nil
	stale := self
	stale.Nlink = 9
	w.countLinks(d, dir, listing{stale, 1, 0}, self)
	if len(*texts) > 0 {
		t.Errorf("a folder that changed is reported: %v", *texts)
	}
}

// A size that the content does not have.
func TestSizeMismatch(t *testing.T) {
	w, texts := walker(t)
	dir := t.TempDir()
	plant{"short": "12345", "empty": ""}.in(t, dir)
	d, err := w.s.FS.OpenDir(dir, false)
	must(t, err)
	defer d.Close()
	for _, name := range []string{"short", "empty"} {
		info, err := d.Lstat(name)
		must(t, err)
		w.compareSize(d, filepath.Join(dir, name), name, info)
		if _, ends, err := d.EndsAt(name, info.Size); err != nil || !ends {
			t.Errorf("%s: ends %v, %v", name, ends, err)
		}
		if _, ends, _ := d.EndsAt(name, info.Size+1); ends {
			t.Errorf("%s ends behind its end", name)
		}
		if _, ends, _ := d.EndsAt(name, max(info.Size-1, 0)); ends && info.Size > 0 {
			t.Errorf("%s ends before its end", name)
		}
	}
	if len(*texts) > 0 {
		t.Errorf("honest files are reported: %v", *texts)
	}
}

func TestWalkGuards(t *testing.T) {
	testenv.Root(t) // the files must belong to root
	host := image(t, plant{
		"etc/open": "x", "var/lib/docker/overlay2/x/diff/open": "x", "etc/ignored/open": "x", "etc/pattern/open": "x",
		"opt/open": "x", "bin": "-> usr/bin", "usr/bin/open": "x",
	})
	for _, p := range []string{"etc/open", "var/lib/docker/overlay2/x/diff/open", "etc/ignored/open", "etc/pattern/open", "opt/open", "usr/bin/open"} {
		must(t, os.Chmod(filepath.Join(host.Root, p), 0o646))
	}
	pattern, err := match.Compile("pattern$")
	must(t, err)
	cfg := &config.Rootcheck{Ignore: []config.PathRule{{Prefix: "/etc/ignored/"}, {Pattern: pattern}}}
	findings, _ := scanHost(t, host, cfg, "sys")
	if diff := cmp.Diff([]string{"world-writable /etc/open", "world-writable /usr/bin/open"}, things(findings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cfg.ScanAll = true
	findings, _ = scanHost(t, host, cfg, "sys")
	if got := things(findings); !slices.Contains(got, "world-writable /opt/open") {
		t.Errorf("scanall left /opt out: %v", got)
	}
}

func TestDevKnowsWhatBelongsThere(t *testing.T) {
	host := image(t, plant{
		"dev/hidden": "x", "dev/sub/deep": "x", "dev/MAKEDEV": "x", "dev/shm/anything": "x", "dev/.udev/x": "x",
		"dev/link": "-> hidden", "dev/dir/": "",
	})
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "dev")
	if diff := cmp.Diff([]string{"regular-file /dev/hidden", "regular-file /dev/sub/deep"}, things(findings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, outcomes := scanHost(t, image(t, plant{"etc/x": ""}), &config.Rootcheck{}, "dev")
	if outcomes[0].State != NotApplicable {
		t.Errorf("without /dev: %+v", outcomes[0])
	}
}

// TestEveryBuiltinSignature plants each path of our own list.
func TestEveryBuiltinSignature(t *testing.T) {
	o := &ossec{}
	s := &check.Scan{Config: &config.Rootcheck{}}
	tree := plant{}
	want := 0
	for _, sig := range o.fileSignatures(s) {
		p := sig.Path
		if sig.Anywhere {
			p = "etc/somewhere/" + p
		}
		tree[p+"/"] = "" // some paths are below others
		want++
	}
	host := image(t, tree)
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "files", "sys")
	got := map[string]bool{}
	for _, f := range findings {
		if f.Kind == check.Rootkit && strings.HasPrefix(f.Rule, "rootkit-") {
			got[f.Path] = true
		}
	}
	for p := range tree {
		if p = "/" + strings.TrimSuffix(p, "/"); !got[p] {
			t.Errorf("%s is not found", p)
		}
	}
	if want < 250 {
		t.Errorf("%d signatures", want)
	}
}

// TestPackagesOverrideSignatures: a path that a package owns is no rootkit by
// our list, and one by the admin's.
func TestPackagesOverrideSignatures(t *testing.T) {
	host := image(t, plant{
		"tmp/.bugtraq": "x", "usr/sbin/watchdogs": "x",
		"var/lib/dpkg/info/dogs.list": "/.\n/usr\n/usr/sbin\n/usr/sbin/watchdogs\n",
		"var/lib/dpkg/status":         "Package: dogs\nStatus: install ok installed\n\n",
	})
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "files")
	if diff := cmp.Diff([]string{"rootkit-file /tmp/.bugtraq"}, things(findings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	list := filepath.Join(t.TempDir(), "list")
	must(t, os.WriteFile(list, []byte("usr/sbin/watchdogs ! Mine\n"), 0o600))
	findings, _ = scanHost(t, host, &config.Rootcheck{RootkitFiles: list}, "files")
	if got := things(findings); !slices.Contains(got, "rootkit-file /usr/sbin/watchdogs") {
		t.Errorf("the admin's own signature is not reported: %v", got)
	}
}

// TestDeepDev: folders too deep to look into are one fault that says where.
func TestDeepDev(t *testing.T) {
	long := strings.Repeat("d", 250)
	tree := plant{"dev/z": "x"}
	for _, sub := range []string{"a", "b", "c"} {
		tree["dev/"+sub+"/"] = ""
	}
	host := image(t, tree)
	for _, sub := range []string{"a", "b", "c"} {
		r, err := os.OpenRoot(host.Path("/dev/" + sub))
		must(t, err)
		for range 20 {
			must(t, r.Mkdir(long, 0o755))
			next, err := r.OpenRoot(long)
			must(t, err)
			must(t, r.Close())
			r = next
		}
		must(t, r.Close())
	}
	findings, outcomes := scanHost(t, host, &config.Rootcheck{}, "dev")
	if got := things(findings); !slices.Equal(got, []string{"regular-file /dev/z"}) || outcomes[0].Faults != 1 {
		t.Errorf("%v, %d faults", got, outcomes[0].Faults)
	}
}

// TestTrojans: what a package vouches for is genuine whatever words are in it,
// what differs from its package is reported, and only without a package do
// signatures decide.
func TestTrojans(t *testing.T) {
	const (
		words   = "\x00/dev/ptyxx/.proc\x00"
		genuine = "d8e8fca2dc0f896fd7cb4cb0031ba249" // md5 of "test\n"
	)
	host := image(t, plant{
		"bin":            "-> usr/bin",
		"usr/bin/ls":     "test\n",                // as its package has it
		"usr/bin/ps":     words,                   // no package, words of a trojan
		"usr/bin/top":    "harmless",              // no package, nothing wrong
		"usr/bin/login":  "exchanged",             // another sum than its package's
		"usr/bin/pstree": words,                   // both
		"usr/bin/awk":    "-> /etc/alternatives/", // dangling
		"usr/bin/du":     "-> /opt/du",            // a link instead of its package's program
		"opt/du":         "harmless",
		"usr/bin/sh":     "-> dash", // a link to a package's program
		"usr/bin/dash":   "test\n",
		"var/lib/dpkg/info/a.md5sums": genuine + "  bin/ls\n" + genuine + "  usr/bin/login\n" +
			genuine + "  usr/bin/pstree\n" + genuine + "  usr/bin/du\n" + genuine + "  usr/bin/dash\n",
		"var/lib/dpkg/info/a.list": "/bin/ls\n/usr/bin/login\n/usr/bin/pstree\n",
		"var/lib/dpkg/status":      "Package: a\nStatus: install ok installed\n\n",
	})
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "trojans")
	want := []string{"package-checksum /bin/du", "package-checksum /bin/login", "signature /bin/ps", "signature /bin/pstree"}
	if diff := cmp.Diff(want, things(findings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range findings {
		if f.Path == "/bin/login" && f.Wire != "Trojaned version of file '/bin/login' detected. Signature used: 'package checksum' (a)." {
			t.Errorf("text %q", f.Wire)
		}
	}
}

// A program that is too large to be read to its end is not as its package has it.
func TestPaddedProgram(t *testing.T) {
	host := image(t, plant{"usr/bin/ls": "test\n", "usr/bin/ps": "test\n"})
	must(t, os.Truncate(filepath.Join(host.Root, "usr/bin/ls"), maxProgram+1))
	files, err := hostfile.New(host.Root)
	must(t, err)
	defer files.Close()
	for name, want := range map[string]string{"/usr/bin/ls": "", "/usr/bin/ps": "d8e8fca2dc0f896fd7cb4cb0031ba249"} {
		if got, err := sumAs(t.Context(), files, name, "md5"); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestLinkedTrojans: a link in place of a program, or one that leads elsewhere,
// is found; the links that packages, alternatives and admins make are not.
func TestLinkedTrojans(t *testing.T) {
	const genuine = "d8e8fca2dc0f896fd7cb4cb0031ba249" // md5 of "test\n"
	sums, list := "", ""
	for _, name := range []string{"ls", "cat", "mv", "mawk", "kmod", "cp.real", "sort"} {
		sums += genuine + "  usr/bin/" + name + "\n"
		list += "/usr/bin/" + name + "\n"
	}
	host := image(t, plant{
		"usr/bin/ls":                  "-> /tmp/evil", // was a file
		"usr/bin/cat":                 "-> ../../opt/cat",
		"usr/bin/mv":                  "-> mv", // leads nowhere
		"usr/bin/mawk":                "test\n",
		"usr/bin/w":                   "-> /etc/alternatives/w",
		"etc/alternatives/w":          "-> /usr/bin/mawk",
		"usr/bin/vim":                 "-> /etc/alternatives/vim",
		"etc/alternatives/vim":        "-> /opt/vim", // an admin's own
		"usr/bin/kmod":                "test\n",
		"usr/bin/lsmod":               "-> kmod", // as its package has it
		"usr/bin/rmmod":               "-> /tmp/evil",
		"usr/bin/cp.real":             "test\n",
		"usr/bin/cp":                  "-> cp.real", // an admin's own
		"usr/bin/sort":                "test\n",
		"usr/bin/ps":                  "-> /usr/share/words",
		"usr/share/words":             "\x00/dev/ptyxx/.proc\x00",
		"tmp/evil":                    "evil",
		"opt/cat":                     "test\n", // the same program, elsewhere
		"opt/vim":                     "vim",
		"var/lib/dpkg/info/a.md5sums": sums,
		"var/lib/dpkg/info/a.list":    list + "/usr/bin/lsmod\n/usr/bin/rmmod\n",
	})
	findings, outcomes := scanHost(t, host, &config.Rootcheck{}, "trojans")
	want := []string{"package-checksum /usr/bin/ls", "package-link /usr/bin/rmmod", "signature /usr/bin/ps"}
	if diff := cmp.Diff(want, things(findings)); diff != "" || outcomes[0].State != Done {
		t.Errorf("%v (-want +got):\n%s", outcomes, diff)
	}
}

// TestLinksOfAPK: apk's sum of a link is that of what the link holds.
func TestLinksOfAPK(t *testing.T) {
	const box, link = "Z:Q1ThJDvSLGbnbCup7dwfkTlOV/n4M=\n", "Z:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\n" // of "test\n", "/bin/busybox"
	host := image(t, plant{
		"bin/busybox":          "test\n",
		"bin/sh":               "-> /bin/busybox",
		"bin/bash":             "-> /tmp/evil",
		"tmp/evil":             "evil",
		"lib/apk/db/installed": "P:busybox\nF:bin\nR:busybox\n" + box + "\nP:busybox-binsh\nF:bin\nR:sh\n" + link + "R:bash\n" + link + "\n",
	})
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "trojans")
	if diff := cmp.Diff([]string{"package-checksum /bin/bash"}, things(findings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing in a file name can forge a message or a line.
func TestNamesAreEscaped(t *testing.T) {
	host := image(t, plant{"dev/a\n9:rootcheck:forged\x1b[2J": "x"})
	findings, _ := scanHost(t, host, &config.Rootcheck{}, "dev")
	if len(findings) != 1 {
		t.Fatalf("%+v", findings)
	}
	f := findings[0]
	for _, text := range []string{f.Wire, f.Title, f.Advice} {
		if strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("%q", text)
		}
	}
}
