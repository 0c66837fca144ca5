// SPDX-License-Identifier: Apache-2.0

package takeover

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/platform/paths"
)

const program = "/usr/bin/hids"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// contents says what is in a folder: the text of files, where links lead to.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if to, err := os.Readlink(path); err == nil {
			all[e.Name()] = "-> " + to
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

func TestReplaceAndRestore(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links want a privilege there")
	}
	adopted := map[string]string{"d": "-> " + program, "d.ossec": "daemon"}
	alone := map[string]string{"d": "daemon"}
	tests := []struct {
		name   string
		before map[string]string
		do     func(path, program string) error
		want   map[string]string // nil: an error, and nothing is changed
	}{
		{"replace", alone, Replace, adopted},
		{"replace twice", adopted, Replace, adopted},
		{"replace one that was installed again", map[string]string{"d": "newer", "d.ossec": "daemon"}, Replace,
			map[string]string{"d": "-> " + program, "d.ossec": "newer"}},
		{"replace after a kill", map[string]string{"d": "daemon", "d.new": "-> " + program, "d.ossec.new": "daemon"}, Replace, adopted},
		{"replace nothing", map[string]string{}, Replace, nil},
		{"replace another's link", map[string]string{"d": "-> /bin/true"}, Replace, nil},
		{"restore", adopted, Restore, alone},
		{"restore twice", alone, Restore, alone},
		{"restore what is not there", map[string]string{"d": "-> " + program}, Restore, nil},
		{"restore another's link", map[string]string{"d": "-> /bin/true", "d.ossec": "daemon"}, Restore, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.before {
				if to, ok := cutLink(text); ok {
					if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				write(t, filepath.Join(dir, name), text)
			}
			err := tt.do(filepath.Join(dir, "d"), program)
			want := tt.want
			if want == nil {
				want = tt.before
			}
			if (err != nil) != (tt.want == nil) {
				t.Errorf("got error %v", err)
			}
			if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
				t.Errorf("folder differs (-want +got):\n%s", diff)
			}
		})
	}
}

func cutLink(text string) (string, bool) {
	if len(text) > 3 && text[:3] == "-> " {
		return text[3:], true
	}
	return "", false
}

// A kill between the two steps leaves the daemon under both names, one file.
func TestReplaceGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	write(t, path, "daemon")
	if err := os.Link(path, path+Kept); err != nil {
		t.Skip(err)
	}
	if err := Replace(path, program); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"d": "-> " + program, "d.ossec": "daemon"}
	if diff := cmp.Diff(want, contents(t, filepath.Dir(path))); diff != "" {
		t.Errorf("folder differs (-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	home := filepath.Join(root, "home")
	host := paths.Host{Root: root}
	if _, err := Find(host, home); err == nil {
		t.Error("an empty folder is an OSSEC")
	}
	write(t, filepath.Join(home, "bin", "ossec-control"), "")
	want := Installation{Home: home, Name: "OSSEC", Control: filepath.Join(home, "bin", "ossec-control")}
	check := func(what string) {
		t.Helper()
		got, err := Find(host, home)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", what, err, diff)
		}
	}
	check("nothing written down")
	write(t, filepath.Join(root, "etc", "ossec-init.conf"), "DIRECTORY=\"/elsewhere\"\nVERSION=\"v2.8.3\"\nTYPE=\"server\"\n")
	check("that of another")
	write(t, filepath.Join(root, "etc", "ossec-init.conf"), "DIRECTORY=\""+home+"\"\nVERSION=\"v2.8.3\"\nTYPE=\"agent\"\n")
	want.Version, want.Type = "v2.8.3", "agent"
	check("its own")
	if got := HomeOf(host); got != home {
		t.Errorf("home: got %q", got)
	}
	write(t, filepath.Join(home, "etc", "ossec-init.conf"), "DIRECTORY=\"/x\"\nNAME=\"Wazuh\"\nVERSION=\"v3.13.6\"\nTYPE=\"agent\"\n")
	want.Name, want.Version = "Wazuh", "v3.13.6"
	check("a copy inside")
}
