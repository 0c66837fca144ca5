// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hids/internal/testenv"
	"hids/platform/command"
	"hids/platform/paths"
)

const (
	passwdText = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/false\n" +
		"nobody:x:65534:65534::/:/bin/false\nbob:x:1000:1000::/home/bob:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/sh\n" +
		"carol:x:1002:1002::/home/carol:/bin/sh\ndave:x:1004:1004::/home/dave:/bin/sh\nbad:x:none:1::/:/bin/sh\n1001:x:1003:1::/:/bin/sh\n"
	shadowText = "root:*:19000:0:99999:7:::\nbob:$6$salt$hash:19000:0:99999:7:::\n" +
		"alice:$6$salt$hash:19000:0:99999:7::30000:\ncarol:!$6$salt$hash:19000:0:99999:7:::\n" +
		"dave::19000:0:99999:7:::\n"
)

func host(t *testing.T) paths.Host {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": passwdText, "shadow": shadowText, "group": "bob:x:1000:\n",
		"gshadow": "", "login.defs": "", "subuid": "", "subgid": ""} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return paths.Host{Root: root}
}

func TestCheck(t *testing.T) {
	h := host(t)
	for _, name := range []string{"bob", "alice"} {
		if err := Check(h, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused := []string{"", "-", "root", "toor", "daemon", "nobody", "mallory", "-d", "--root=/", "1001", "bad",
		"bob ", "bob\n", "bob:x", "../bob", "a/b", ".", "..", "bob;id", "$(id)", strings.Repeat("b", 33), "bob\x00"}
	for _, name := range refused {
		if Check(h, name) == nil {
			t.Errorf("%q is not refused", name)
		}
	}
}

// Real usermod on files of its own: what comes back is what was there.
func TestLockAndUnlock(t *testing.T) {
	testenv.Root(t)
	if _, err := exec.LookPath("usermod"); err != nil {
		testenv.Skip(t, "needs usermod (package passwd)")
	}
	for _, name := range []string{"bob", "alice", "carol", "dave"} {
		h := host(t)
		shadow := filepath.Join(h.Root, "etc", "shadow")
		before, err := entry(shadow, name)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // each again: nothing to do
			box := Open(h, command.Run, filepath.Join(h.Root, "state"))
			if err := box.Lock(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		during, err := entry(shadow, name)
		if err != nil || during[1] != "!"+strings.TrimPrefix(before[1], "!") || during[7] != "1" {
			t.Errorf("locked: %v, %v", during, err)
		}
		for range 2 {
			if err := Open(h, command.Run, filepath.Join(h.Root, "state")).Unlock(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		after, err := entry(shadow, name)
		if name == "dave" && err == nil {
			before[2] = after[2] // setting an empty password is a change of it
		}
		if err != nil || strings.Join(after, ":") != strings.Join(before, ":") {
			t.Errorf("unlocked: %v, %v; want %v", after, err, before)
		}
	}
}

// A password that an admin sets while the account is locked outlives the lock.
func TestUnlockKeepsNewPassword(t *testing.T) {
	testenv.Root(t)
	if _, err := exec.LookPath("usermod"); err != nil {
		testenv.Skip(t, "needs usermod (package passwd)")
	}
	for _, password := range []string{"$6$new$hash", "!$6$new$hash"} {
		h := host(t)
		box := Open(h, command.Run, filepath.Join(h.Root, "state"))
		if err := box.Lock(t.Context(), "dave"); err != nil {
			t.Fatal(err)
		}
		if err := box.do(t.Context(), box.usermod("dave", "--password", password), ""); err != nil {
			t.Fatal(err)
		}
		if err := box.Unlock(t.Context(), "dave"); err != nil {
			t.Error(err)
		}
		after, err := entry(filepath.Join(h.Root, "etc", "shadow"), "dave")
		if err != nil || after[1] != "$6$new$hash" || after[7] != "" {
			t.Errorf("%s set: unlocked: %v, %v", password, after, err)
		}
	}
}

// What could not be found out is no reason to take an account for gone.
func TestNoAccount(t *testing.T) {
	h := host(t)
	if err := Check(h, "mallory"); !errors.Is(err, ErrNoAccount) || errors.Is(err, ErrUnreadable) {
		t.Errorf("an unknown name: %v", err)
	}
	if err := os.Remove(filepath.Join(h.Root, "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if err := Check(h, "bob"); !errors.Is(err, ErrUnreadable) || errors.Is(err, ErrNoAccount) {
		t.Errorf("no passwd: %v", err)
	}
}

func TestForget(t *testing.T) {
	box := Open(host(t), command.Run, t.TempDir())
	if err := box.Forget(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	if err := box.remember("bob", record{Locked: true}); err != nil {
		t.Fatal(err)
	}
	if err := box.Forget(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	if _, found, err := box.recall("bob"); found || err != nil {
		t.Errorf("still remembered: %v", err)
	}
}
