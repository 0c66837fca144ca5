// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"hids/platform/paths"
)

// process makes what procfs shows of the n descriptors of a process.
func process(t *testing.T, root string, pid, n int) {
	t.Helper()
	dir := filepath.Join(root, strconv.Itoa(pid), "fd")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.Symlink(fmt.Sprintf("socket:[%d]", i), filepath.Join(dir, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFDs: the first descriptor is one as well, and a process with very many
// does not keep us from those of others.
func TestFDs(t *testing.T) {
	h := paths.Host{Proc: t.TempDir()}
	process(t, h.Proc, 10, maxFDs+1)
	process(t, h.Proc, 11, 3)
	seen := map[int]int{}
	unseen, err := FDs(t.Context(), h, []string{"socket:["}, func(fd FD) {
		seen[fd.PID]++
		if want := fmt.Sprintf("socket:[%d]", fd.Number); fd.Target != want {
			t.Fatalf("%s, want %s", fd.Target, want)
		}
	})
	if err != nil || seen[10] != maxFDs || seen[11] != 3 || unseen != (Unseen{Cut: 1}) || unseen.Err() == nil {
		t.Errorf("%v, %+v, %v", seen, unseen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := FDs(ctx, h, []string{""}, func(FD) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := (Unseen{}).Err(); err != nil {
		t.Errorf("nothing unseen: %v", err)
	}
	if err := (Unseen{Denied: 2}).Err(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("denied: %v", err)
	}
}
