// SPDX-License-Identifier: Apache-2.0

package execq

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// What somebody puts where the socket was bound keeps its mode and group.
func TestShareOnlyTheSocket(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "other"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := os.Chmod(filepath.Join(dir, "other"), 0o600); err != nil {
		t.Fatal(err)
	}
	plants := map[string]func(name string) error{
		"victim": func(name string) error { return os.Symlink(victim, name) },
		"file":   func(name string) error { return os.WriteFile(name, nil, 0o600) },
		"other":  func(name string) error { return os.Link(filepath.Join(dir, "other"), name) },
	}
	for kind, plant := range plants {
		name := filepath.Join(dir, "execq-"+kind)
		if err := plant(name); err != nil {
			t.Fatal(err)
		}
		if err := share(name, os.Getgid()); err == nil {
			t.Errorf("%s: taken for the socket", kind)
		}
		if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != fs.FileMode(0o600) {
			t.Errorf("%s: mode %v, %v", kind, fi.Mode(), err)
		}
	}
}
