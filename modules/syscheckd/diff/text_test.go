// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	for _, test := range []struct{ name, before, after, want string }{
		{"equal", "a\n", "a\n", ""},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"to empty", "a\n", "", "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a\n"},
		{"no newline", "a", "b", "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"},
		{"hostile", "a\n", "\x1b[2J\xff\u202e\tb\\c\n", "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n+\\x1b[2J\\xff\\u202e\tb\\c\n"},
		{"carriage return", "a\n", "a\r\n", "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n+a\\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Unified("f", "f", []byte(test.before), []byte(test.after)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUnifiedIsCapped(t *testing.T) {
	var after bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&after, "line %d\n", i)
	}
	got := Unified("f", "f", []byte("x\n"), after.Bytes())
	if len(got) > MaxUnified+64 {
		t.Errorf("%d bytes", len(got))
	}
	last := got[strings.LastIndexByte(strings.TrimSuffix(got, "\n"), '\n')+1:]
	var missing int
	if _, err := fmt.Sscanf(last, "... diff cut here: %d more lines", &missing); err != nil {
		t.Fatalf("last line %q: %v", last, err)
	}
	// 20000 added, 1 removed, 2 names, 1 hunk: what is shown and what is
	// missing add up.
	if shown := strings.Count(got, "\n") - 1; shown+missing != 20004 {
		t.Errorf("%d lines shown, %d said to be missing", shown, missing)
	}
}

// TestNormalDiff compares with the texts recorded from OSSEC's daemons for the
// same changes.
func TestNormalDiff(t *testing.T) {
	lines := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	ten := lines("line %d", 10)
	for _, test := range []struct{ name, before, after, want string }{
		{"change", ten, strings.Replace(ten, "line 5", "LINE five", 1), "6c6\n< line 5\n---\n> LINE five\n"},
		{"append", lines("line %d", 5), lines("line %d", 6), "5a6\n> line 5\n"},
		{"remove", lines("line %d", 2), "line 1\n", "1d0\n< line 0\n"},
		{"text to empty", lines("line %d", 3), "", "1,3d0\n< line 0\n< line 1\n< line 2\n"},
		{"empty to text", "", lines("line %d", 3), "0a1,3\n> line 0\n> line 1\n> line 2\n"},
		{"no newline", "no newline", "no newline 2", "1c1\n< no newline\n\\ No newline at end of file\n---\n> no newline 2\n\\ No newline at end of file\n"},
		{"bytes as they are", "zeile \xfc\n", "zeile \xe4\n", "1c1\n< zeile \xfc\n---\n> zeile \xe4\n"},
		{"equal", "a\n", "a\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := NormalDiff([]byte(test.before), []byte(test.after)); string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestTruncateForWire has the recorded texts of OSSEC 2.8.3 (6 sums) and 4.3.0
// (7 sums).
func TestTruncateForWire(t *testing.T) {
	const more, truncated = "More changes..", "... diff was truncated ..."
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "> line %d\n", i)
		}
		return b.String()
	}
	long := "1,30c1,30\n" + strings.Repeat("< "+strings.Repeat("y", 298)+"\n", 30)
	for _, test := range []struct {
		name, in, want6, want7 string
	}{
		{"18 lines", lines(18), lines(18), lines(18)},
		{"19 lines", lines(19), lines(19) + more, lines(19)},
		{"20 lines", lines(20), lines(20) + more, lines(20) + truncated},
		{"400 lines", lines(400), lines(20) + more, lines(20) + truncated},
		{"long lines", long, long[:3922], long[:3922] + "\n" + truncated},
		{"one long line", "1c1\n< " + strings.Repeat("y", 9000) + "\n", "1c1", "1c1\n" + truncated},
		{"no line end", strings.Repeat("y", 9000), strings.Repeat("y", 256), strings.Repeat("y", 256) + "\n" + truncated},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(TruncateForWire([]byte(test.in), 6)); got != test.want6 {
				t.Errorf("6 sums: %d bytes %q, want %d bytes %q", len(got), got, len(test.want6), test.want6)
			}
			if got := string(TruncateForWire([]byte(test.in), 7)); got != test.want7 {
				t.Errorf("7 sums: %d bytes %q, want %d bytes %q", len(got), got, len(test.want7), test.want7)
			}
		})
	}
}

// FuzzNormalDiff feeds every normal diff to patch(1): it must give the new text.
func FuzzNormalDiff(f *testing.F) {
	patch, err := exec.LookPath("patch")
	for _, seed := range [][2]string{{"a\nb\nc\n", "a\nc\nd"}, {"", "x\n"}, {"x", ""}, {"a\na\nb\n", "b\na\na\n"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		got := NormalDiff([]byte(before), []byte(after))
		if (len(got) == 0) != (before == after) {
			t.Fatalf("diff %q for %q → %q", got, before, after)
		}
		TruncateForWire(got, 6)
		TruncateForWire(got, 7)
		if err != nil || len(got) == 0 || strings.ContainsAny(before+after, "\r\\\x00") {
			return
		}
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), patch, "--normal", "--binary", "-s", "-o", file+".new", file)
		cmd.Stdin = bytes.NewReader(got)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v\n%s\ndiff %q", err, out, got)
		}
		result, err := os.ReadFile(file + ".new")
		if err != nil || string(result) != after {
			t.Fatalf("patched %q, want %q (%v), diff %q", result, after, err, got)
		}
	})
}
