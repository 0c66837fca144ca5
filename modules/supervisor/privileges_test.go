// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"bytes"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hids/internal/testenv"
	"hids/modules"
	"hids/platform/privdrop"
)

func nobody(t *testing.T) modules.Privileges {
	t.Helper()
	testenv.Root(t)
	u, err := user.LookupId("65534")
	if err != nil {
		testenv.Skip(t, "needs a user with id 65534")
	}
	g, err := user.LookupGroupId("65534")
	if err != nil {
		testenv.Skip(t, "needs a group with id 65534")
	}
	return modules.Privileges{User: u.Username, Group: g.Name, Caps: []string{"CAP_DAC_READ_SEARCH"}}
}

const readSearch = "0000000000000004" // CAP_DAC_READ_SEARCH

// secretFile is one that only root may read.
func secretFile(t *testing.T) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret
}

// A module with its own user reads what only root may, and can change nothing.
func TestPrivileges(t *testing.T) {
	priv := nobody(t)
	r := start(t, func(o *Options) { o.Modules[0].Privileges = priv })
	secret := secretFile(t)
	p := r.mustProbe("?read=" + secret + "&write=" + secret)
	if p.UID != 65534 || p.GID != 65534 || !slices.Equal(p.Groups, []int{65534}) {
		t.Errorf("uid %d gid %d groups %v", p.UID, p.GID, p.Groups)
	}
	if p.Read != "" || !strings.Contains(p.Write, "permission denied") {
		t.Errorf("read: %q, write: %q", p.Read, p.Write)
	}
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if p.Status[set] != readSearch {
			t.Errorf("%s is %s, want %s", set, p.Status[set], readSearch)
		}
	}
	if p.Status["NoNewPrivs"] != "1" || p.Status["Umask"] != "0027" {
		t.Errorf("no_new_privs %s, umask %s", p.Status["NoNewPrivs"], p.Status["Umask"])
	}
	m := r.status().Modules[0]
	if m.User != priv.User || m.Group != priv.Group || !slices.Equal(m.Capabilities, priv.Caps) {
		t.Errorf("status %+v", m)
	}
	r.waitRestart(p.PID) // and the second process is no different
	if again := r.mustProbe(""); again.UID != 65534 || again.Status["CapBnd"] != readSearch {
		t.Errorf("after a restart: uid %d, bounding set %s", again.UID, again.Status["CapBnd"])
	}
}

func (r *rigged) waitRestart(pid int) {
	r.t.Helper()
	if err := killPID(pid); err != nil {
		r.t.Fatal(err)
	}
	r.waitPID(pid)
}

// Where the module's user does not exist, as in a clone, it keeps the caller's
// with the same few capabilities, and that is said once.
func TestPrivilegesWithoutUser(t *testing.T) {
	testenv.Root(t)
	r := start(t, func(o *Options) {
		o.Modules[0].Privileges = modules.Privileges{User: "no-such-user", Group: "no-such-group", Caps: []string{"CAP_DAC_READ_SEARCH"}}
	})
	p := r.mustProbe("")
	if p.UID != 0 || p.Status["CapEff"] != readSearch || p.Status["CapBnd"] != readSearch {
		t.Errorf("uid %d, effective %s, bounding %s", p.UID, p.Status["CapEff"], p.Status["CapBnd"])
	}
	if n := strings.Count(r.log.String(), "does not exist"); n != 2 {
		t.Errorf("said %d times: %s", n, r.log)
	}
}

// Under OSSEC's names a missing group is OSSEC's error 1203.
func TestMissingGroupOfOSSEC(t *testing.T) {
	testenv.Root(t)
	r := launch(t, func(o *Options) {
		o.OSSEC = true
		o.Modules[0].Privileges.Group = "no-such-group"
	})
	err := <-r.done
	r.done <- nil
	if err == nil || !strings.Contains(r.log.String(), "(1203): ERROR: Invalid user '' or group 'no-such-group' given.\n") {
		t.Errorf("got %v, log %s", err, r.log)
	}
}

// A module that must be root keeps everything but the groups.
func TestPrivilegesOfRoot(t *testing.T) {
	group := nobody(t).Group
	r := start(t, func(o *Options) {
		o.OSSEC, o.Name = true, "ossec-probe"
		o.Modules[0].Privileges = modules.Privileges{Root: true, Group: group}
	})
	p := r.mustProbe("")
	if p.UID != 0 || p.GID != 65534 || !slices.Equal(p.Groups, []int{65534}) || p.Comm != "ossec-probe" {
		t.Errorf("probe %+v", p)
	}
	self, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(self, []byte("CapEff:\t"+p.Status["CapEff"])) || p.Status["NoNewPrivs"] != "0" {
		t.Errorf("effective %s, no_new_privs %s", p.Status["CapEff"], p.Status["NoNewPrivs"])
	}
}

// TestStateIsGivenToModule gives a module what is in its state, but not a file
// with another name elsewhere, nor what a link leads to.
func TestStateIsGivenToModule(t *testing.T) {
	priv := nobody(t)
	u, err := user.Lookup(priv.User)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"state", "state/sub"} {
		if err := os.Mkdir(file(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"root's", "state/own", "state/sub/own"} {
		if err := os.WriteFile(file(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Link(file("root's"), file("state/hard")), os.Symlink(file("root's"), file("state/soft"))); err != nil {
		t.Fatal(err)
	}
	if err := prepareState(file("state"), uid, -1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"root's": 0, "state/hard": 0, "state/own": uid, "state/sub": uid, "state/sub/own": uid} {
		if got, _, err := privdrop.Owner(file(name)); err != nil || got != want {
			t.Errorf("%s belongs to %d, not %d (%v)", name, got, want, err)
		}
	}
}
