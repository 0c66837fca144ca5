// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/platform/hostfile"
	"hids/platform/paths"
)

// tree writes files below a new root and returns it as a host.
func tree(t *testing.T, files map[string]string) paths.Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths.Host{Root: root}
}

func TestDpkg(t *testing.T) {
	h := tree(t, map[string]string{
		"var/lib/dpkg/info/bash.list":        "/.\n/bin\n/bin/bash\n",
		"var/lib/dpkg/info/bash.md5sums":     "0123456789abcdef0123456789abcdef  bin/bash\n",
		"var/lib/dpkg/info/dash.list":        "/bin/sh\n",
		"var/lib/dpkg/info/mine.list":        "/usr/bin/sh\n",
		"var/lib/dpkg/info/libc6:amd64.list": "/usr/lib/libc.so.6\n",
		"var/lib/dpkg/info/broken.md5sums":   "zz\n",
		"var/lib/dpkg/diversions":            "/bin/sh\n/bin/sh.distrib\nmine\n",
		"usr/bin/bash":                       "",
	})
	if err := os.Symlink("usr/bin", filepath.Join(h.Root, "bin")); err != nil {
		t.Fatal(err)
	}
	db, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	asked := []string{"/bin/bash", "/usr/bin/bash", "/usr/bin/sh", "/bin/sh.distrib", "/usr/lib/libc.so.6", "/tmp/x"}
	got, err := db.Owners(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/bin/bash": "bash", "/usr/bin/bash": "bash",
		"/usr/bin/sh": "mine", "/bin/sh.distrib": "dash",
		"/usr/lib/libc.so.6": "libc6",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	sums, err := db.Sums(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	md5 := Sum{Package: "bash", Algo: "md5", Hex: "0123456789abcdef0123456789abcdef"}
	if diff := cmp.Diff(map[string]Sum{"/bin/bash": md5, "/usr/bin/bash": md5}, sums); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

// TestDpkgWithAGap: a file that can't be read is told, and the others are read.
func TestDpkgWithAGap(t *testing.T) {
	h := tree(t, map[string]string{
		"var/lib/dpkg/info/a.md5sums":   "0123456789abcdef0123456789abcdef  bin/a\n",
		"var/lib/dpkg/info/b.md5sums/x": "",
		"var/lib/dpkg/info/c.md5sums":   "0123456789abcdef0123456789abcdef  bin/c\n",
	})
	db, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := db.Sums(t.Context(), []string{"/bin/a", "/bin/c"})
	if !errors.Is(err, hostfile.ErrNotRegular) || len(sums) != 2 {
		t.Errorf("%v, %v", sums, err)
	}
}

// TestRowOfEmptyValues: a row takes no memory but its own.
func TestRowOfEmptyValues(t *testing.T) {
	head := bytes.Repeat([]byte{0}, 100)
	head[0] = 100
	if values, err := record(head); err != nil || len(values) != maxValues {
		t.Errorf("%d values, %v", len(values), err)
	}
}

func TestAPK(t *testing.T) {
	h := tree(t, map[string]string{
		"lib/apk/db/installed": "C:Q1x\nP:busybox\nF:bin\nR:busybox\nZ:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nR:sh\nZ:broken\n\nP:base\nF:\nR:motd\n",
	})
	db, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Sums(t.Context(), []string{"/bin/busybox", "/bin/sh", "/motd", "/bin/nothing"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Sum{
		"/bin/busybox": {Package: "busybox", Algo: "sha1", Hex: "000102030405060708090a0b0c0d0e0f10111213"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
	owners, err := db.Owners(t.Context(), []string{"/bin/sh", "/motd", "/bin/nothing"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"/bin/sh": "busybox", "/motd": "base"}, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestNoDatabase(t *testing.T) {
	if _, err := Open(paths.Host{Root: t.TempDir()}); !errors.Is(err, ErrNone) {
		t.Errorf("Open of an empty root: %v, want ErrNone", err)
	}
}

// BenchmarkOwners asks this machine's own database, if it has one.
func BenchmarkOwners(b *testing.B) {
	db, err := Open(paths.Host{})
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		if _, err := db.Owners(b.Context(), []string{"/bin/sh", "/bin/su"}); err != nil {
			b.Fatal(err)
		}
	}
}
