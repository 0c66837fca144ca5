// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hids/internal/testenv"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The recorded lists have every odd line; what OSSEC made of them is known.
func TestFilesOddLines(t *testing.T) {
	files, faults := ParseFiles("f", read(t, "testdata/rootkit_files.test.txt"))
	want := []File{
		{Path: "tmp/evil1", Name: "Bash", Origin: "f", Line: 3},
		{Path: "tmp/evil2", Name: "One", Origin: "f", Line: 4},
		{Path: "starname", Name: "Star", Origin: "f", Line: 8, Anywhere: true},
		{Path: "tmp/with,comma", Name: "Comma", Origin: "f", Line: 9},
		{Path: "nostarslash", Name: "NS", Origin: "f", Line: 10, Anywhere: true},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var lines []int
	for _, f := range faults {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{5, 6, 7}, lines); diff != "" {
		t.Errorf("lines of faults (-want +got):\n%s", diff)
	}
}

func TestTrojansOddLines(t *testing.T) {
	list, faults := ParseTrojans("t", read(t, "testdata/rootkit_trojans.test.txt"))
	type entry struct{ program, pattern, note string }
	var got []entry
	for _, tr := range list {
		got = append(got, entry{tr.Program, tr.Pattern, tr.Note})
	}
	want := []entry{
		{"ls2", "bash|^/bin/sh", "Generic"},
		{"ls2", "BASH", "case"},
		{"ls2", "^/dev/h", "Anchored desc"},
		{"ls2", "xyz", "too short"},
		{"up", "^#", "notsecond"},
		{"up", "^#./bin/sh", "shebang"},
		{"up", `proc\.h`, "Generic"},
		{"/etc/hosts", "localhost", "abs path test"},
		{"adir", "x", "dir"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("trojans (-want +got):\n%s", diff)
	}
	if len(faults) != 2 || faults[0].Error() == "" || !strings.Contains(faults[0].Text, "compile") {
		t.Errorf("faults %v, want the bad pattern and the missing !", faults)
	}
	if diff := cmp.Diff([]string{"/etc/hosts"}, list[7].Paths("/base")); diff != "" {
		t.Errorf("an absolute program is not below the base: %s", diff)
	}
	if diff := cmp.Diff([]string{"/b/bin/up", "/b/sbin/up", "/b/usr/bin/up", "/b/usr/sbin/up"}, list[4].Paths("/b")); diff != "" {
		t.Errorf("paths: %s", diff)
	}
}

func TestStrings(t *testing.T) {
	long := strings.Repeat("x", maxString)
	data := "\x00abc\x00abcd\x01a\tbcd\x80" + long + "YZabc\x00tail"
	var got []string
	collect := func(s []byte) bool {
		got = append(got, string(s))
		return true
	}
	if err := eachString(t.Context(), strings.NewReader(data), collect); err != nil {
		t.Fatal(err)
	}
	// "abc" is too short; the Y at the cut is dropped.
	want := []string{"abcd", "a\tbcd", long, "Zabc", "tail"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("strings (-want +got):\n%s", diff)
	}
}

func TestMatchSeesOneString(t *testing.T) {
	list, _ := ParseTrojans("t", []byte("ls !^/dev/h!anchored\nls !SH!upper\n"))
	refs := []*Trojan{&list[0], &list[1]}
	for data, want := range map[string]string{
		"xx/dev/hda\x00sh":      "", // ^ is the start of the string, case counts, sh is too short
		"\x00/dev/hda\x00":      "anchored",
		"\x01bin/SHELL\x02":     "upper",
		"\x00/de\x00v/hda1\x00": "",
	} {
		hit, err := Match(t.Context(), strings.NewReader(data), refs)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if hit != nil {
			got = hit.Note
		}
		if got != want {
			t.Errorf("%q: %q, want %q", data, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Match(ctx, strings.NewReader("x"), refs); err == nil {
		t.Error("an ended context did not stop the scan")
	}
}

// TestBuiltin holds our own lists to what they promise: every line is read,
// and every family of rootkits says where its paths were published.
func TestBuiltin(t *testing.T) {
	if _, faults := ParseFiles("rootkits.txt", rootkits); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
	if list, faults := ParseTrojans("trojans.txt", trojans); len(faults) > 0 || len(list) < 15 {
		t.Errorf("%d trojans, faults %v", len(list), faults)
	}
	families := map[string]bool{}
	seen := map[string]bool{}
	for _, f := range BuiltinFiles() {
		families[f.Name] = true
		if seen[f.Path] || strings.HasPrefix(f.Path, "/") {
			t.Errorf("line %d: %s is there twice, or begins with /", f.Line, f.Path)
		}
		seen[f.Path] = true
	}
	if len(families) < 120 {
		t.Errorf("%d families, want at least 120", len(families))
	}
	source := regexp.MustCompile(`^# .+\. .+`)
	comment := ""
	for line := range strings.Lines(string(rootkits)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			comment = line
		} else if line != "" && !source.MatchString(comment) {
			t.Errorf("%q stands under %q, which names no source", line, comment)
		}
	}
}

// TestStockLists reads the lists that OSSEC ships.
func TestStockLists(t *testing.T) {
	for version, want := range map[string]struct{ files, skipped int }{
		"2.8.3": {268, 4},
	} {
		dir := testenv.Shared(t, "vectors", "stock", version)
		files, faults := ParseFiles("f", read(t, filepath.Join(dir, "rootkit_files.txt")))
		if len(files) != want.files || len(faults) != want.skipped {
			t.Errorf("%s: %d files and %d faults, want %d and %d", version, len(files), len(faults), want.files, want.skipped)
		}
	}
	for _, version := range []string{"2.8.3", "4.3.0"} {
		data := read(t, testenv.Shared(t, "vectors", "stock", version, "rootkit_trojans.txt"))
		list, faults := ParseTrojans("t", data)
		if len(list) < 50 || len(faults) > 1 {
			t.Errorf("%s: %d trojans, faults %v", version, len(list), faults)
		}
	}
}

func FuzzParseFiles(f *testing.F) {
	f.Add([]byte("tmp/x ! Name ::y\n*/z ! w\r\n# c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, _ := ParseFiles("f", data)
		for _, e := range files {
			if e.Path == "" || e.Name == "" || strings.ContainsAny(e.Path, blanks+"\n") {
				t.Fatalf("%+v", e)
			}
		}
		again, _ := ParseFiles("f", data)
		if !cmp.Equal(files, again, cmpopts.EquateEmpty()) {
			t.Fatal("two readings differ")
		}
	})
}

func FuzzTrojans(f *testing.F) {
	f.Add([]byte("ls !a|b!c\nls !(!x\n"), []byte("\x00abcd\x00"))
	f.Fuzz(func(t *testing.T, data, program []byte) {
		list, _ := ParseTrojans("t", data)
		var refs []*Trojan
		for i := range list {
			refs = append(refs, &list[i])
		}
		if _, err := Match(t.Context(), bytes.NewReader(program), refs); err != nil {
			t.Fatal(err)
		}
	})
}
