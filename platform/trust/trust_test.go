// SPDX-License-Identifier: Apache-2.0

//go:build unix

package trust_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"hids/internal/testenv"
	"hids/platform/trust"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "f"), filepath.Join(dir, "p")
	if err := os.WriteFile(file, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, fi, err := trust.ReadFile(file, 4); string(data) != "1234" || fi.Size() != 4 || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, _, err := trust.ReadFile(file, 3); err == nil {
		t.Error("read beyond the limit")
	}
	for _, path := range []string{fifo, dir, "/dev/zero", file + "x"} {
		if _, _, err := trust.ReadFile(path, 4); err == nil {
			t.Errorf("read %s", path)
		}
	}
}

func TestExecutable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, -1, os.Getegid()); err != nil { // BSD gives the folder's group
		t.Fatal(err)
	}
	check := func(what string, path string, ok bool) {
		t.Helper()
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := trust.Executable(fi); (err == nil) != ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("own file", file, true)
	check("folder", filepath.Dir(file), false)
	mode := func(m os.FileMode) {
		t.Helper()
		if err := os.Chmod(file, m); err != nil {
			t.Fatal(err)
		}
	}
	mode(0o775)
	check("own group can write", file, true)
	mode(0o757)
	check("all can write", file, false)
	testenv.Root(t)
	mode(0o775)
	if err := os.Chown(file, 0, 65534); err != nil {
		t.Fatal(err)
	}
	check("another's group can write", file, false)
	mode(0o755)
	check("another's group can read", file, true)
	if err := os.Chown(file, 65534, -1); err != nil {
		t.Fatal(err)
	}
	check("another's file", file, false)
}
