// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
)

// infected is the tree that the recordings were made over.
func infected() plant {
	return plant{
		"tmp/mcliZokhb": "x", "tmp/ramen.tgz": "-> nowhere", "usr/src/.puta/": "",
		"usr/lib/ldlibns.so": "x", "etc/rc.d/init.d/rc.modules": "x",
		"bin/ls": "\x00\x01/bin/sh and more\x00", "usr/bin/login": "\x00SucKIT\x00", "usr/bin/passwd": "\x00proc.h\x00",
		"bin/ps": "clean", "etc/present": "", "etc/app.conf": "option = on\nlisting = on\n",
		"dev/.golf": "x", "dev/regularfile": "x", "dev/shm/file": "x", "dev/.hiddenfile": "x", "dev/sub/": "",
		"usr/bin/worldw": "x", "usr/bin/suidworld": "x",
	}
}

// signatures are the lines of the stock lists that the tree hits, and some
// that it does not.
const fileList = `tmp/mcliZokhb ! Bash door ::
usr/src/.puta ! t0rn ::
usr/lib/ldlibns.so ! Ramen Worm ::
tmp/ramen.tgz ! Ramen Worm ::
etc/rc.d/init.d/rc.modules ! Suspicious file ::
dev/.golf ! Suspicious file ::
*/red.tar ! Adore Worm ::
*/klogd.o ! Adore Worm ::
*/.t0rn ! t0rn ::
*/.puta ! t0rn ::
`

const trojanList = `ls !bash|^/bin/sh|dev/[^clu]|\.tmp/lsfile|duarawkz|/prof|/security|file\.h!
login !elite|SucKIT|xlogin|vejeta|porcao|lets_log|sukasuk!
passwd !bash|file\.h|proc\.h|/dev/ttyo|/dev/[A-Z]|/dev/[b-s,uvxz]!
ps !/dev/ttyo!
`

const tinyAudit = `$conf=@BASE@/etc/nothing,@BASE@/etc/app.conf;
[Tiny audit - Test 1 - file exists] [any] [http://example.invalid/1]
f:@BASE@/etc/present;
[Tiny audit - Test 2 - option set {CIS: 1.1} {PCI_DSS: 2.2.4}] [all] [http://example.invalid/2]
f:$conf -> r:^option = on;
[Tiny audit - Test 3 - option missing] [any] []
f:@BASE@/etc/app.conf -> !r:^never;
[Tiny audit - Test 4 - not so] [any] []
f:@BASE@/etc/app.conf -> r:^never;
`

func recordedConfig(t *testing.T, base string) *config.Rootcheck {
	t.Helper()
	dir := t.TempDir()
	plant{"files": fileList, "trojans": trojanList, "audit": strings.ReplaceAll(tinyAudit, "@BASE@", base)}.in(t, dir)
	return &config.Rootcheck{
		BaseDirectory: base, RootkitFiles: dir + "/files", RootkitTrojans: dir + "/trojans",
		SystemAudit: []string{dir + "/audit"},
	}
}

// scan runs checks over this machine and returns what goes over the wire.
func scan(t *testing.T, cfg *config.Rootcheck, names ...string) (texts []string, findings []check.Finding) {
	t.Helper()
	findings, outcomes := scanHost(t, paths.Host{}, cfg, names...)
	for _, f := range findings {
		if f.Wire != "" {
			texts = append(texts, f.Wire)
		}
	}
	for _, o := range outcomes {
		if o.State == Failed || o.State == Partial {
			t.Errorf("check %s: %s, %d faults, %s", o.Check, o.State, o.Faults, o.Reason)
		}
	}
	return texts, findings
}

var ossecSums = regexp.MustCompile(` MD5=\S+ SHA1=\S+ SHA256=\S+$`)

// recording returns the texts of one recorded scan, with @BASE@ for the tree
// and without sums. run counts from 0.
func recording(t *testing.T, name string, run int) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	must(t, err)
	defer f.Close()
	var texts []string
	for in := bufio.NewScanner(f); in.Scan(); {
		var line struct{ Text string }
		must(t, json.Unmarshal(in.Bytes(), &line))
		text, ok := strings.CutPrefix(strings.TrimSuffix(line.Text, "\x00"), "9:rootcheck:")
		switch {
		case !ok:
		case text == scanStarts:
			texts, run = nil, run-1
		case text == scanEnds && run < 0:
			return texts
		case text != scanEnds:
			text = strings.ReplaceAll(text, "write permissions", "written permissions") // 4.3.0's wording
			texts = append(texts, ossecSums.ReplaceAllString(captureBase.ReplaceAllString(text, "@BASE@"), ""))
		}
	}
	t.Fatalf("%s has no scan %d", name, run)
	return nil
}

var captureBase = regexp.MustCompile(`/var/hids/captures/run/[0-9.]+-rk/base`)

func sameTexts(t *testing.T, want, got []string, base string) {
	t.Helper()
	got = slices.Clone(got)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], base, "@BASE@")
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("texts (-recorded +ours):\n%s", diff)
	}
}

// TestRecordedScans plants what was planted for OSSEC 2.8.3 and 4.3.0 and
// expects the same messages: the first scan, the second, which repeats
// everything, and one after a file was removed.
func TestRecordedScans(t *testing.T) {
	testenv.Root(t)
	for _, name := range []string{"rootcheck-rk-2.8.3.jsonl", "rootcheck-rk-4.3.0.jsonl"} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			infected().in(t, base)
			must(t, os.Chmod(base+"/usr/bin/worldw", 0o666))
			must(t, os.Chmod(base+"/usr/bin/suidworld", 0o666|os.ModeSetuid))
			cfg := recordedConfig(t, base)
			checks := []string{"files", "trojans", "policy", "dev", "sys"}
			for run := range 2 {
				texts, _ := scan(t, cfg, checks...)
				sameTexts(t, recording(t, name, run), texts, base)
			}
			must(t, os.Remove(base+"/tmp/mcliZokhb"))
			texts, _ := scan(t, cfg, checks...)
			want := slices.DeleteFunc(recording(t, name, 0), func(s string) bool { return strings.Contains(s, "mcliZokhb") })
			sameTexts(t, want, texts, base)
		})
	}
}

// TestRecordedRealRoot: without a base folder the machine itself is looked at,
// and only the policy has anything to say.
func TestRecordedRealRoot(t *testing.T) {
	for _, name := range []string{"rootcheck-realroot-2.8.3.jsonl", "rootcheck-realroot-4.3.0.jsonl"} {
		base := t.TempDir()
		infected().in(t, base)
		cfg := recordedConfig(t, base)
		cfg.BaseDirectory = ""
		want := slices.DeleteFunc(recording(t, name, 0), func(s string) bool {
			return strings.Contains(s, "Test 6") || strings.Contains(s, "Test 7") // policies that are not here
		})
		texts, _ := scan(t, cfg, "policy")
		sameTexts(t, want, texts, base)
	}
}

// TestRecordedNames: names that may be anywhere, found by the walk.
func TestRecordedNames(t *testing.T) {
	base := t.TempDir()
	infected().in(t, base)
	plant{"usr/bin/red.tar": "x", "usr/bin/.t0rn": "x", "usr/lib/.puta/": ""}.in(t, base)
	texts, findings := scan(t, recordedConfig(t, base), "sys")
	var want []string
	for _, text := range recording(t, "rootcheck-audit-4.3.0.jsonl", 0) {
		if strings.Contains(text, "red.tar") || strings.Contains(text, "/.t0rn") {
			want = append(want, text)
		}
	}
	want = append(want, "Rootkit 't0rn' detected by the presence of file '@BASE@/usr/lib/.puta'.")
	texts = slices.DeleteFunc(texts, func(s string) bool { return !strings.HasPrefix(s, "Rootkit") })
	sameTexts(t, want, texts, base)
	for _, f := range findings {
		if f.Rule == "rootkit-name" && f.Kind != check.Rootkit {
			t.Errorf("%+v", f)
		}
	}
}

// TestHashSuffix: OSSEC 4.3's sums, byte for byte those of the recording's
// form, "n/a" for a folder.
func TestHashSuffix(t *testing.T) {
	base := t.TempDir()
	plant{"tmp/mcliZokhb": "x", "usr/src/.puta/": ""}.in(t, base)
	cfg := recordedConfig(t, base)
	cfg.HashSuffix = true
	texts, _ := scan(t, cfg, "files")
	want := []string{
		"Rootkit 'Bash' detected by the presence of file '@BASE@/tmp/mcliZokhb'. MD5=9dd4e461268c8034f5c8564e155c67a6 " +
			"SHA1=11f6ad8ec52a2984abaafd7c3b516503785c2072 SHA256=2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
		"Rootkit 't0rn' detected by the presence of file '@BASE@/usr/src/.puta'. MD5=n/a SHA1=n/a SHA256=n/a",
	}
	sameTexts(t, want, texts, base)
}
