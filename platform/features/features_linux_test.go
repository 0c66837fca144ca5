// SPDX-License-Identifier: Apache-2.0

package features

import (
	"os"
	"slices"
	"strings"
	"testing"

	"hids/internal/testenv"
)

// Every feature is tried, and root of a whole machine has at least what
// containers have, too.
func TestList(t *testing.T) {
	got := map[string]error{}
	for _, f := range List(t.Context()) {
		got[f.Name] = f.Err
	}
	all := []string{Nftables, Inotify, Fanotify, SockDiag, BPF, Landlock, Pidfd}
	for _, name := range all {
		if _, ok := got[name]; !ok {
			t.Errorf("%s was not tried", name)
		}
	}
	if len(got) != len(all) {
		t.Errorf("got %v, want %v", got, all)
	}
	testenv.Root(t)
	for _, name := range []string{Nftables, Inotify, SockDiag, Pidfd} {
		if got[name] != nil {
			t.Errorf("%s: %v", name, got[name])
		}
	}
}

// What is tried is not left open.
func TestNothingStaysOpen(t *testing.T) {
	before := descriptors(t)
	List(t.Context())
	if after := descriptors(t); !slices.Equal(before, after) {
		t.Errorf("open before: %v, after: %v", before, after)
	}
}

func descriptors(t *testing.T) []string {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, name := range names {
		to, err := os.Readlink("/proc/self/fd/" + name)
		if err == nil && !strings.HasPrefix(to, "/proc/") && !strings.HasPrefix(to, "anon_inode:[eventpoll]") && to != "anon_inode:[eventfd]" {
			targets = append(targets, to)
		}
	}
	slices.Sort(targets)
	return targets
}
