// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package confine

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"hids/internal/testenv"
)

// asConfined names, in the environment, the folder that a process of the test
// binary confines itself to.
const asConfined = "HIDS_TEST_CONFINE"

// TestWrites runs in a child, for there is no way back.
func TestWrites(t *testing.T) {
	if home := os.Getenv(asConfined); home != "" {
		confined(t, home)
		return
	}
	home := t.TempDir()
	for _, dir := range []string{"write", "remove", "other"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, dir, "f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestWrites$", "-test.v")
	child.Env = append(os.Environ(), asConfined+"="+home)
	child.Args = append([]string{"setpriv", "--no-new-privs"}, append([]string{os.Args[0]}, child.Args[1:]...)...)
	path, err := exec.LookPath("setpriv")
	if err != nil {
		testenv.Skip(t, "needs setpriv")
	}
	child.Path = path
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func confined(t *testing.T, home string) {
	file := func(name string) string { return filepath.Join(home, name) }
	err := Writes([]string{file("write")}, []string{file("remove")})
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() { // on another thread, perhaps
		defer close(done)
		for what, attempt := range map[string]struct {
			err error
			may bool
		}{
			"write":             {os.WriteFile(file("write/f"), []byte("x"), 0o600), true},
			"make":              {os.WriteFile(file("write/g"), nil, 0o600), true},
			"null device":       {os.WriteFile(os.DevNull, nil, 0), true},
			"write elsewhere":   {os.WriteFile(file("other/f"), nil, 0o600), false},
			"make elsewhere":    {os.Mkdir(file("other/d"), 0o700), false},
			"remove elsewhere":  {os.Remove(file("other/f")), false},
			"make to remove":    {os.WriteFile(file("remove/g"), nil, 0o600), false},
			"write to remove":   {os.WriteFile(file("remove/f"), nil, 0o600), false},
			"rename out":        {os.Rename(file("write/g"), file("other/g")), false},
			"rename to another": {os.Rename(file("write/g"), file("write/h")), true},
			"remove":            {os.Remove(file("remove/f")), true},
		} {
			if attempt.may && attempt.err != nil || !attempt.may && attempt.err == nil {
				t.Errorf("%s: %v", what, attempt.err)
			}
		}
	}()
	<-done
	if err := Writes([]string{file("missing")}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}
