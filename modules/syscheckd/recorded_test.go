// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hids/internal/testenv"
	"hids/modules/syscheckd/wire"
)

const wireFile = "8:syscheck:"

// recorded is one line of a recording of OSSEC's daemon: a datagram, or what
// was done before the next ones.
type recorded struct {
	Mark   string `json:"mark"`
	Base64 string `json:"b64"`
}

// recordedScans reads a recording and returns, scan by scan, what was told of
// each file, by name in the tree, a folder: sums, and the diff behind a newline.
func recordedScans(t *testing.T, file, tree string) []map[string]string {
	t.Helper()
	in, err := os.Open(file)
	must(t, err)
	defer in.Close()
	var scans []map[string]string
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var line recorded
		must(t, json.Unmarshal(lines.Bytes(), &line))
		raw, err := base64.StdEncoding.DecodeString(line.Base64)
		must(t, err)
		text := strings.TrimSuffix(string(raw), "\x00")
		if text == wire.ScanStarted {
			scans = append(scans, map[string]string{})
		}
		if sum, rest, ok := strings.Cut(strings.TrimPrefix(text, wireFile), " "); ok && strings.HasPrefix(text, wireFile) {
			_, name, _ := strings.Cut(rest, tree)
			name, diff := nameAndDiff(name)
			scans[len(scans)-1][name] = withDiff(sum, diff)
		}
	}
	return scans
}

// nameAndDiff tells a line end in a name from the one behind it.
func nameAndDiff(text string) (name, diff string) {
	for _, odd := range []string{"newline\nname.txt", "newline\nname"} {
		if rest, ok := strings.CutPrefix(text, odd); ok {
			return odd, strings.TrimPrefix(rest, "\n")
		}
	}
	name, diff, _ = strings.Cut(text, "\n")
	return name, diff
}

func withDiff(sum, diff string) string {
	if diff == "" {
		return sum
	}
	return sum + "\n" + diff
}

// heard waits for a scan to end and returns what was told of each file; the
// markers must stand around it.
func (r *rig) heard(messages <-chan string) map[string]string {
	r.t.Helper()
	if got := r.next(messages); got != wire.ScanStarted {
		r.t.Errorf("first came %q", got)
	}
	told := map[string]string{}
	for {
		m := r.next(messages)
		if m == wire.ScanEnded {
			break
		}
		sum, rest, ok := strings.Cut(strings.TrimPrefix(m, wireFile), " ")
		name, inside := strings.CutPrefix(rest, r.tree+"/")
		if !ok || !inside || !strings.HasPrefix(m, wireFile) {
			r.t.Errorf("during a scan came %q", m)
			continue
		}
		name, diff, _ := strings.Cut(name, "\n")
		told[name] = withDiff(sum, diff)
	}
	if got := r.next(messages); got != wire.Completed {
		r.t.Errorf("last came %q", got)
	}
	return told
}

// deep is a path of 300 bytes with the recorded one's sums.
const deep = "L300/f300.txt"

// recordedTree is what OSSEC was let loose on, but for a random file and for
// names that it cuts.
func recordedTree() map[string]string {
	files := map[string]string{
		"deldir/f1": "f1\n", "deldir/f2": "f2\n", "rendir/f1": "f1\n", "noread.txt": "secret\n", "empty": "",
		"utf8-\u00fc\u6587.txt": "utf8\n", "tab\tname.txt": "tab\n", "quote\"$(id)`id`.txt": "q\n",
		"newline\nname.txt": "nl\n", "regular.txt": "hello world\n", "file with spaces.txt": "spaces\n",
		`back\slash.txt`: "bs\n", "setuid": "#!/bin/sh\n", "colon:semi;hash#pct%s%n.txt": "c\n",
		"sub/deep/inner.txt": "inner\n", "sub/a.txt": "a\n", "owned.txt": "owned\n", "target.txt": "link target\n",
		"latin1-\xe9\xff.bin": "nonutf8\n", "esc-\x1b[31m\x07.txt": "esc\n", " lead-trail ": "lt\n", deep: "long\n",
	}
	for _, what := range []string{
		"tolink", "same-size", "suid", "touch", "truncate", "rename", "replace", "chown", "append", "chmod", "todir",
		"delete", "chgrp", "inplace-restore",
	} {
		files["mod-"+what] = "content of mod-" + what + "\n"
	}
	return files
}

func (r *rig) plantRecorded() {
	r.t.Helper()
	for name, content := range recordedTree() {
		r.write(name, content)
	}
	for link, target := range map[string]string{
		"link-fifo": "fifo", "link-loop": "link-loop", "mod-retarget": "target.txt", "link-file": "target.txt",
		"link-dir": "sub", "link-dangling": "nowhere",
	} {
		must(r.t, os.Symlink(target, r.path(link)))
	}
	must(r.t, os.Link(r.path("regular.txt"), r.path("hardlink.txt")))
	must(r.t, unix.Mkfifo(r.path("fifo"), 0o644))
	must(r.t, os.Mkdir(r.path("emptydir"), 0o755))
	r.chown("owned.txt", 12345, 23456)
	must(r.t, unix.Chmod(r.path("setuid"), 0o6755))
	must(r.t, os.Chmod(r.path("noread.txt"), 0))
}

// chown gives a file away. Without privileges it stays, and is not told.
func (r *rig) chown(name string, uid, gid int) {
	r.t.Helper()
	if os.Geteuid() == 0 {
		must(r.t, os.Chown(r.path(name), uid, gid))
	}
}

// owner is that of the files that a test makes, as it is told.
func owner() string { return fmt.Sprintf("%d:%d", os.Geteuid(), os.Getegid()) }

// owned tells a scan of files that all are the test's own.
func owned(scan map[string]string) map[string]string {
	if os.Geteuid() == 0 {
		return scan
	}
	scan = maps.Clone(scan)
	for name, text := range scan {
		if fields := strings.SplitN(text, ":", 5); len(fields) == 5 {
			scan[name] = fields[0] + ":" + fields[1] + ":" + owner() + ":" + fields[4]
		}
	}
	return scan
}

// modifyRecorded does what was done before the second rescan.
func (r *rig) modifyRecorded() {
	r.t.Helper()
	for name, content := range map[string]string{
		"created-empty": "", "created.txt": "created\n", "newdir/x/y.txt": "y\n",
		"mod-same-size": "CONTENT of mod-same-size\n", "quote\"$(id)`id`.txt": "q changed\n", deep: "long changed\n",
		"newline\nname.txt": "nl changed\n", "mod-truncate": "", "file with spaces.txt": "spaces changed\n",
		"mod-append": "content of mod-append\nmore\n", "target.txt": "link target CHANGED\n",
		"latin1-\xe9\xff.bin": "nonutf8\nchanged\n", "mod-inplace-restore": "temporary\n", "replacement": "replaced content\n",
	} {
		r.write(name, content)
	}
	for from, to := range map[string]string{"replacement": "mod-replace", "mod-rename": "mod-renamed", "rendir": "rendir2"} {
		must(r.t, os.Rename(r.path(from), r.path(to)))
	}
	for _, name := range []string{"mod-tolink", "mod-retarget", "mod-todir", "mod-delete", "deldir"} {
		must(r.t, os.RemoveAll(r.path(name)))
	}
	must(r.t, os.Symlink("regular.txt", r.path("mod-tolink")))
	must(r.t, os.Symlink("sub/a.txt", r.path("mod-retarget")))
	r.write("mod-todir/new-inside", "ni\n")
	must(r.t, unix.Chmod(r.path("mod-suid"), 0o4755))
	must(r.t, os.Chmod(r.path("mod-chmod"), 0o600))
	r.chown("mod-chown", 1001, -1)
	r.chown("mod-chgrp", -1, 1002)
	must(r.t, unix.Utimes(r.path("mod-touch"), make([]unix.Timeval, 2)))
}

// expected is what hids is to tell where OSSEC told scan: the same, but for what
// docs/compatibility.md lists. before is what was told last of each file.
func expected(scan, before map[string]string) map[string]string {
	want := map[string]string{}
	for name, text := range scan {
		switch {
		case strings.HasPrefix(name, "L300/"):
			name = deep
		case name == "big10m.bin" || strings.HasPrefix(name, "L"):
			continue // a random file; names that are cut
		}
		sum, diff, _ := strings.Cut(text, "\n")
		if last, _, _ := strings.Cut(before[wire.Name(name, 900)], "\n"); last == sum {
			continue // 2.8.3 tells again and again
		}
		if strings.Contains(sum, ":41471:") {
			diff = "" // that of the target
		}
		want[wire.Name(name, 900)] = withDiff(sum, diff)
	}
	return want
}

// TestRecordedTree makes the tree that OSSEC 2.8.3 and 4.3.0 were recorded with,
// does to it what was done then, and compares all that is told, scan by scan.
func TestRecordedTree(t *testing.T) {
	testenv.Root(t)
	for _, c := range []struct {
		recording string
		fields    int
		diffs     bool
	}{
		{"scan-2.8.3", 6, false}, {"scan-4.3.0", 7, false}, {"changes-2.8.3", 6, true}, {"changes-4.3.0", 7, true},
	} {
		t.Run(c.recording, func(t *testing.T) {
			scans := recordedScans(t, "wire/testdata/syscheck-"+c.recording+".jsonl", "/tree/")
			if len(scans) < 5 {
				t.Fatalf("%d scans are recorded", len(scans))
			}
			r := newRig(t)
			r.conf.Syscheck.SumFields = c.fields
			r.conf.Syscheck.Directories[0].Realtime = false
			r.conf.Syscheck.Directories[0].ReportChanges = c.diffs
			r.plantRecorded()
			messages := r.agentd()
			r.start()
			r.compareScans(messages, scans)
		})
	}
}

// rescans is what was told of each file: last, and in the first scan.
type rescans struct{ last, first map[string]string }

func (r *rig) compareScans(messages <-chan string, scans []map[string]string) {
	r.t.Helper()
	told := rescans{last: map[string]string{}}
	for n, scan := range scans[:6] {
		scan = owned(scan)
		want := expected(scan, told.last)
		r.beforeScan(n, scan, want, told)
		if n > 0 {
			r.scan()
		}
		got := r.heard(messages)
		if diff := cmp.Diff(want, got); diff != "" {
			r.t.Errorf("scan %d (-OSSEC +hids):\n%s", n, diff)
		}
		if n == 0 {
			told.first = maps.Clone(got)
		}
		maps.Copy(told.last, got)
	}
}

// beforeScan does what was done before the scan with a number, and puts into want
// what hids tells otherwise than OSSEC.
func (r *rig) beforeScan(n int, scan, want map[string]string, told rescans) {
	r.t.Helper()
	unknown := "xxx:xxx:xxx"[:4*r.conf.Syscheck.SumFields-17]
	switch n {
	case 0:
		want["link-fifo"] = "4:41471:" + owner() + ":" + unknown // where it is not recorded OSSEC hangs
	case 2:
		r.modifyRecorded()
		// Scans of OSSEC find nothing gone.
		for _, name := range []string{"mod-rename", "rendir/f1", "mod-delete", "deldir/f1", "deldir/f2"} {
			want[name] = "-1"
		}
		// In real time they tell of a folder in the place of a file so.
		want["mod-todir"] = fmt.Sprintf("%d:16877:%s:%s", r.size("mod-todir"), owner(), unknown)
	case 4:
		r.restoreRecorded(want, told)
		if scan["noread.txt"] != "" {
			r.turnReadability(want, told)
		}
	case 5:
		maps.DeleteFunc(want, func(_, text string) bool { return strings.Contains(text, ":xxx") }) // 2.8.3 tells that again
	}
}

// restoreRecorded makes files what they were at the start. 2.8.3 does not tell of
// such, nor both of what comes again.
func (r *rig) restoreRecorded(want map[string]string, told rescans) {
	r.t.Helper()
	r.write("mod-same-size", "content of mod-same-size\n")
	r.write("mod-inplace-restore", "content of mod-inplace-restore\n")
	r.write("mod-delete", "content of mod-delete\n")
	r.write("mod-append", "third\n")
	for name, diff := range map[string]string{
		"mod-same-size":       "1c1\n< CONTENT of mod-same-size\n---\n> content of mod-same-size\n",
		"mod-inplace-restore": "1c1\n< temporary\n---\n> content of mod-inplace-restore\n",
		"mod-delete":          "",
	} {
		if !r.conf.Syscheck.Directories[0].ReportChanges {
			diff = ""
		}
		want[name] = withDiff(told.first[name], diff)
	}
}

// turnReadability makes readable what was not, and the other way. What can no
// longer be read keeps its sums, its mode is told; links to it are as they were.
func (r *rig) turnReadability(want map[string]string, told rescans) {
	r.t.Helper()
	must(r.t, os.Chmod(r.path("noread.txt"), 0o644))
	must(r.t, os.Chmod(r.path("regular.txt"), 0))
	must(r.t, os.Chmod(r.path("sub"), 0))
	r.t.Cleanup(func() { _ = os.Chmod(r.path("sub"), 0o700) })
	for _, name := range []string{"regular.txt", "hardlink.txt"} {
		want[name] = strings.Replace(told.last[name], ":33188:", ":32768:", 1)
	}
	delete(want, "mod-tolink")
	delete(want, "mod-retarget")
}

// TestRecordedWithoutPrivileges is TestRecordedTree for a daemon that may not
// read a file: that is told without sums, and with them when it may. Root has it
// done by nobody, who may not be able to read this folder.
func TestRecordedWithoutPrivileges(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	for recording, fields := range map[string]int{"nopriv-2.8.3": 6, "nopriv-4.3.0": 7} {
		t.Run(recording, func(t *testing.T) {
			r := newRig(t)
			r.conf.Syscheck.SumFields = fields
			r.conf.Syscheck.Directories[0].Realtime = false
			r.plantRecorded()
			messages := r.agentd()
			r.start()
			r.compareScans(messages, recordedScans(t, "wire/testdata/syscheck-"+recording+".jsonl", "/tree/"))
		})
	}
}

func asNobody(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "wire", "testdata"), os.DirFS("wire/testdata")))
	must(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o755))
	}
	const nobody = 65534
	must(t, os.Chown(filepath.Join(dir, "tmp"), nobody, nobody))
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(dir, "tmp"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+"/nopriv-4.3.0") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
