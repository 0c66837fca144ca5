// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"strings"
	"testing"
)

// TestParseRefuses holds that no command is shown that nothing runs.
func TestParseRefuses(t *testing.T) {
	for name, block := range map[string]string{
		"no class at all":       "```\nhids status\n```\n",
		"no class":              "```sh\nhids status\n```\n",
		"an unknown class":      "```sh somewhere\nhids status\n```\n",
		"an unknown kind":       "```yaml\na: b\n```\n",
		"a command in text":     "```text\n$ hids status\n```\n",
		"a command in text, II": "```text\nmake scan\n```\n",
		"xml without a file":    "```xml\n<a/>\n```\n",
		"json without a class":  "```json\n{}\n```\n",
		"no end":                "```sh root\nhids status\n",
		"no command":            "```sh root\n# nothing\n```\n",
		"output first":          "```console root\nhello\n$ hids status\n```\n",
	} {
		if _, faults := Parse("page.md", block); len(faults) == 0 {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestParseSteps(t *testing.T) {
	blocks, faults := Parse("page.md", strings.Join([]string{
		"```console root",
		"# cat >f <<'END'",
		"$ no command",
		"END",
		"# hids syscheck --scan-now  # exit code 1: it differs",
		"/etc",
		"$ hids events -f   # as they come, until Ctrl-C",
		"```",
		"```sh user",
		`echo a \`,
		"  b",
		"```", "",
	}, "\n"))
	if len(faults) > 0 || len(blocks) != 2 {
		t.Fatalf("%v %v", blocks, faults)
	}
	got := blocks[0].Steps
	if len(got) != 3 || !strings.HasSuffix(got[0].Command, "\nEND") || got[0].Shown {
		t.Fatalf("steps: %+v", got)
	}
	if scan := got[1]; scan.Code != 1 || !scan.Root || !scan.Shown || scan.Line != 5 || len(scan.Output) != 1 {
		t.Errorf("scan: %+v", scan)
	}
	if follow := got[2]; !follow.Follow || follow.Root || follow.Code != 0 || follow.Shown {
		t.Errorf("follow: %+v", follow)
	}
	if s := blocks[1].Steps; len(s) != 1 || s[0].Root || !strings.Contains(s[0].Command, "\n  b") {
		t.Errorf("continued: %+v", s)
	}
}

func TestSame(t *testing.T) {
	for _, test := range []struct {
		shown, printed string
		want           bool
	}{
		{"a b", "a   b", true},
		{"2,865 files, 401.0 MiB in 5.54 s (72.4 MiB/s): 1 added", "1 file, 6 B in 0 s (7.3 KiB/s): 1 added", false},
		{"2,865 files, 401.0 MiB in 5.54 s (72.4 MiB/s): 1 added", "12 files, 6 B in 12 ms (7.3 KiB/s): 1 added", true},
		{"2 files, 6 B in 1 s: 1 added", "2 files, 6 B in 1 s: 2 added", false},
		{"mode 0755 → 4755", "mode 0755 → 0777", false},
		{"at 2026-11-26 03:48:04", "at 2027-01-02 10:00:00", true},
		{"sha256 5891b5b5… → f7f39f98…", "sha256 00000000… → 12345678…", true},
		{"a\n[...]\nz", "a\nb\nc\nz", true},
		{"a\n[...]\nz", "a\nb\nc", false},
		{"go build [...] -o hids .", "go build -trimpath -o hids .", true},
		{"exit code 1", "exit code 2", false},
		{`"pid": 167,`, `"pid": 9,`, true},
		{"a", "a\nb", false},
	} {
		if got := Same(strings.Split(test.shown, "\n"), strings.Split(test.printed, "\n")); got != test.want {
			t.Errorf("%q and %q: %v", test.shown, test.printed, got)
		}
	}
}
