// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
)

// numbered are lines with a word and a number from 0 on.
func numbered(word string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s %d\n", word, i)
	}
	return b.String()
}

// long are 30 lines of 305 bytes.
func long(letter string) string {
	var b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&b, "%03d %s\n", i, strings.Repeat(letter, 300))
	}
	return b.String()
}

// diffTree is what the diffs of OSSEC were recorded with, before and after.
// Where only the size of a text is known, madeUp has its name.
func diffTree() (before, after map[string]string) {
	before = map[string]string{
		"one": numbered("line", 10), "space name": "s1\n", "utf8": "zeile \u00fc\n", `quote".txt`: "q1\n", "perm": "perm only\n",
		"nonl": "no newline", "crlf": "a\r\nb\r\n", "add": numbered("line", 5), "longlines": long("y"), "latin1": "zeile \xfc\n",
		"nul": "text\x00with nul\n", "binary": strings.Repeat("\x00\xff", 1024), "text2bin": "plain text\n",
		"longline": strings.Repeat("x", 6000) + "\n", "secret.key": "secret 1\n", "many": numbered("line", 200), "del": numbered("line", 5),
		"newline\nname": "n1\n", "sub/inner": "i1\n", "exact4k": strings.Repeat("k", 64), "dollar$(id).txt": "d1\n",
		"text2empty": numbered("line", 3), "empty2text": "",
	}
	after = map[string]string{
		"one": strings.Replace(numbered("line", 10), "line 5", "LINE five", 1), "space name": "s2\n", "utf8": "zeile \u00e4\n",
		`quote".txt`: "q2\n", "nonl": "no newline 2", "crlf": "a\r\nc\r\n", "add": numbered("line", 6), "longlines": long("z"),
		"latin1": "zeile \xe4\n", "nul": "text\x00with NUL\n", "binary": strings.Repeat("\xff\x00", 1024),
		"text2bin": strings.Repeat("\x00\xfe", 512), "longline": strings.Repeat("z", 6000) + "\n", "secret.key": "secret 2\n",
		"many": strings.Repeat("123456789\n", 200), "del": strings.TrimPrefix(numbered("line", 5), "line 0\n"), "newline\nname": "n2\n",
		"sub/inner": "i2\n", "dollar$(id).txt": "d2\n", "text2empty": "", "empty2text": numbered("line", 3), "created": "created\n",
	}
	for _, n := range []int{18, 19, 20, 21} {
		name, lines := fmt.Sprintf("n%d", n), n-10
		text := numbered("line", 40)
		before[name] = text
		after[name] = numbered("CHANGED", lines) + strings.TrimPrefix(text, numbered("line", lines))
	}
	return before, after
}

func madeUp() []string {
	return []string{"longlines", "nul", "binary", "text2bin", "longline", "many", "exact4k", "secret.key"}
}

// unsummed leaves out of what is told of files that are made up what depends on
// their text.
func unsummed(scan map[string]string) map[string]string {
	scan = maps.Clone(scan)
	for _, name := range madeUp() {
		if sum, diff, _ := strings.Cut(scan[name], "\n"); sum != "" {
			fields := strings.SplitN(sum, ":", 5)
			scan[name] = withDiff(strings.Join(fields[:4], ":"), diff)
		}
	}
	return scan
}

// TestRecordedDiffs makes the tree that the diffs of OSSEC were recorded with,
// changes it as then, and compares all that is told, diffs and all.
func TestRecordedDiffs(t *testing.T) {
	testenv.Root(t)
	for recording, fields := range map[string]int{"diff-2.8.3": 6, "diff-4.3.0": 7} {
		t.Run(recording, func(t *testing.T) {
			scans := recordedScans(t, "wire/testdata/syscheck-"+recording+".jsonl", "/t/")
			if len(scans) != 4 {
				t.Fatalf("%d scans are recorded", len(scans))
			}
			r := newRig(t)
			r.conf.Syscheck.SumFields = fields
			r.conf.Syscheck.Directories[0].Realtime = false
			r.conf.Syscheck.Directories[0].ReportChanges = true
			if fields == 7 { // 2.8.3 has no such option
				r.conf.Syscheck.NoDiff = []config.PathRule{{Prefix: r.path("secret.key")}}
			}
			before, after := diffTree()
			for name, text := range before {
				r.write(name, text)
			}
			must(t, os.Symlink("one", r.path("link")))
			messages := r.agentd()
			r.start()
			told, atFirst := map[string]string{}, "" // the file "add"
			for n, scan := range scans {
				switch n {
				case 1:
					for name, text := range after {
						r.write(name, text)
					}
					must(t, os.Chmod(r.path("perm"), 0o600))
				case 3:
					r.write("one", strings.Replace(numbered("line", 10), "line 5", "LINE five again", 1))
					r.write("add", numbered("line", 5))
					r.write("created", "created 2\n")
				}
				if n > 0 {
					r.scan()
				}
				news := expected(scan, told)
				maps.Copy(told, news)
				want := unsummed(news)
				switch {
				case n == 1: // no diff of what is no text, and no paths of the agent's in it
					for _, name := range []string{"binary", "nul", "text2bin"} {
						want[name], _, _ = strings.Cut(want[name], "\n")
					}
				case n == 3 && fields == 6: // 2.8.3 does not tell what is as it was at the start
					want["add"] = withDiff(atFirst, "6d5\n< line 5\n")
				}
				got := unsummed(r.heard(messages))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("scan %d (-OSSEC +hids):\n%s", n, diff)
				}
				if n == 0 {
					atFirst = got["add"]
				}
			}
		})
	}
}
