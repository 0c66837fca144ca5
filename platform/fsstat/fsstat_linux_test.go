// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

func openDir(t *testing.T, path string) *Directory {
	t.Helper()
	d, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func name(s string) *Name {
	var n Name
	n.Set(s)
	return &n
}

func TestListHasEveryByteInOrder(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a b", "new\nline", "esc\x1b[2J", "\xff\xfe", strings.Repeat("x", 255), "-rf", "ä", "%s", "\x01", "..."}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openDir(t, dir)
	var l List
	for range 2 { // a list is used again
		if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
			t.Fatal(err)
		}
		if err := d.Read(&l, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for i := range l.Len() {
		got = append(got, string(l.Name(i)))
		if l.Kind(i) != File {
			t.Errorf("%q is of kind %d", l.Name(i), l.Kind(i))
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, got) {
		t.Errorf("want %q\n got %q", names, got)
	}
}

func TestOpenFileTakesRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	path := func(n string) string { return filepath.Join(dir, n) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("file"), []byte("x"), 0o600))
	must(os.Symlink("file", path("link")))
	must(os.Symlink("/dev/zero", path("zero")))
	must(os.Symlink("fifo", path("tofifo")))
	must(os.Mkdir(path("dir"), 0o700))
	must(unix.Mkfifo(path("fifo"), 0o600))
	must(unix.Mknod(path("socket"), unix.S_IFSOCK|0o600, 0))
	d := openDir(t, dir)
	var st Stat
	for _, n := range []string{"link", "zero", "dir", "fifo", "socket"} {
		if _, err := d.OpenFile(name(n), &st); !errors.Is(err, ErrNotRegular) {
			t.Errorf("OpenFile(%s): %v", n, err)
		}
	}
	for _, n := range []string{"zero", "tofifo"} {
		if _, err := d.OpenTarget(name(n), &st); !errors.Is(err, ErrNotRegular) {
			t.Errorf("OpenTarget(%s): %v", n, err)
		}
	}
	for open, n := range map[string]string{"OpenFile": "file", "OpenTarget": "link"} {
		f, err := d.OpenFile(name(n), &st)
		if open == "OpenTarget" {
			f, err = d.OpenTarget(name(n), &st)
		}
		if err != nil || st.Size != 1 {
			t.Fatalf("%s(%s): size %d, %v", open, n, st.Size, err)
		}
		must(f.Close())
	}
}

func TestTargetsThatTheKernelMakesUpAreNotRegular(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/proc/self/maps", filepath.Join(dir, "maps")); err != nil {
		t.Fatal(err)
	}
	var st Stat
	if _, err := openDir(t, dir).OpenTarget(name("maps"), &st); !errors.Is(err, ErrNotRegular) {
		t.Errorf("error %v", err)
	}
}

func TestXattrsOfCapabilitiesAndACL(t *testing.T) {
	testenv.Root(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	// linux/capability.h: revision 2, effective; permitted CAP_NET_RAW.
	capability := append([]byte{1, 0, 0, 2, 0, 0x20}, make([]byte, 14)...)
	for attr, value := range map[string][]byte{"security.capability": capability, "user.note": []byte("x")} {
		if err := unix.Setxattr(path, attr, value, 0); err != nil {
			testenv.Skip(t, "the file system has no extended attributes: "+err.Error())
		}
	}
	d := openDir(t, filepath.Dir(path))
	var st Stat
	f, err := d.OpenFile(name("f"), &st)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scratch := make([]byte, 4096)
	byFile, _ := f.Xattrs(scratch)
	byName, _ := d.XattrsOf(name("f"), scratch)
	for how, list := range map[string][]Xattr{"open": byFile, "by name": byName} {
		if len(list) != 1 || list[0].Name != "security.capability" || !bytes.Equal(list[0].Value, capability) {
			t.Errorf("%s: %v", how, list)
		}
	}
}

func TestStatAgreesWithTheKernelsOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("four"), 0o640); err != nil {
		t.Fatal(err)
	}
	var old unix.Stat_t
	if err := unix.Stat(path, &old); err != nil {
		t.Fatal(err)
	}
	var want, got Stat
	fromStat(&old, &want)
	if err := openDir(t, filepath.Dir(path)).Lstat(name("f"), &got); err != nil {
		t.Fatal(err)
	}
	got.Flags, got.FlagsMask, got.HasFlags, got.Btime = 0, 0, false, 0 // what only statx(2) tells
	if want != got {
		t.Errorf("stat  %+v\nstatx %+v", want, got)
	}
}

func FuzzParseDirents(f *testing.F) {
	d, err := OpenDirectory("/")
	if err != nil {
		f.Fatal(err)
	}
	defer d.Close()
	buf := make([]byte, 4096)
	n, err := unix.Getdents(d.fd, buf)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(buf[:n])
	f.Fuzz(func(t *testing.T, b []byte) {
		var l List
		_ = l.parse(b)
		l.sort()
		for i := range l.Len() {
			if len(l.Name(i)) == 0 {
				t.Fatal("an entry without a name")
			}
		}
	})
}
