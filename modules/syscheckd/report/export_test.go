// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hids/internal/testenv"
	"hids/modules/syscheckd/record"
)

func export(t *testing.T, format string, entries map[string]*record.Record) string {
	t.Helper()
	var out strings.Builder
	e, err := NewExporter(format, &out, testNames())
	if err != nil {
		t.Fatal(err)
	}
	for path, r := range entries {
		if err := e.Write(path, r); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestExportSums gives the export to sha256sum itself, hostile names included.
func TestExportSums(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		testenv.Skip(t, "needs sha256sum")
	}
	dir := t.TempDir()
	entries := map[string]*record.Record{dir: {Type: record.Dir}}
	for _, name := range []string{"plain", "two words", "new\nline", `back\slash`, "cr\r", "\xff", " lead"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		entries[path] = file(func(r *record.Record) { r.SHA256 = sha256.Sum256([]byte(name)) })
	}
	cmd := exec.CommandContext(t.Context(), tool, "--check", "--strict", "--quiet")
	cmd.Stdin = bytes.NewReader([]byte(export(t, "sha256sum", entries)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

func TestExportMtree(t *testing.T) {
	for _, test := range []struct {
		path string
		r    *record.Record
		want string
	}{
		{"/a b#\n\xff", file(func(r *record.Record) { r.Has = record.HasMD5 }),
			`./a\040b\043\012\377 type=file mode=0644 uid=0 gid=0 nlink=1 time=1000000000.000000000 size=12 md5digest=00000000000000000000000000000000`},
		{"/l", &record.Record{Type: record.Symlink, Mode: 0o120777, Target: "../x y", Mtime: 1_500_000_000, Links: 1},
			`./l type=link mode=0777 uid=0 gid=0 nlink=1 time=1.500000000 link=../x\040y`},
		{"/d", &record.Record{Type: record.CharDevice, Mode: 0o20600, UID: 5, Links: 1},
			`./d type=char mode=0600 uid=5 gid=0 nlink=1 time=0.000000000`},
	} {
		got := export(t, "mtree", map[string]*record.Record{test.path: test.r})
		if want := "#mtree\n" + test.want + "\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func TestExportUnknown(t *testing.T) {
	if _, err := NewExporter("xml", &strings.Builder{}, Names{}); err == nil {
		t.Error("no error for an unknown format")
	}
}
