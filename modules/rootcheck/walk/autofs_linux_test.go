// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
	"hids/platform/plant"
)

// TestAutomount: what is mounted over an automounter's point is walked, and what
// is not mounted stays so: nobody answers the kernel here, so to ask would hang.
func TestAutomount(t *testing.T) {
	if !plant.Isolated(t, plant.Mounts) {
		return
	}
	files := host(t, "usr/a", "srv/empty/x", "srv/mounted/x")
	requests := automounter(t, filepath.Join(files.Root, "srv/empty"), filepath.Join(files.Root, "srv/mounted"))
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(disk, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mountOver(t, disk, filepath.Join(files.Root, "srv/mounted"))
	go func() {
		var packet [1]byte
		if n, _ := requests.Read(packet[:]); n > 0 {
			fmt.Println("--- FAIL: the walk mounts something") // it hangs, and only the parent of the test can tell
			os.Exit(1)
		}
	}()
	v := &visitor{roots: []string{"/"}}
	Walk(t.Context(), files.FS, []Visitor{v})
	if !slices.Contains(v.seen, "/srv/mounted/file") || slices.Contains(v.seen, "/srv/empty/") || len(v.faults) > 0 {
		t.Errorf("saw %q, faults %q", v.seen, v.faults)
	}
}

// automounter makes mount points of folders, as systemd does, and returns where
// the kernel asks for something to be mounted.
func automounter(t *testing.T, dirs ...string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	// Whoever is in the automounter's process group mounts nothing; we are not.
	options := fmt.Sprintf("fd=%d,pgrp=1,minproto=5,maxproto=5,direct", w.Fd())
	for _, dir := range dirs {
		if err := unix.Mount("hids", dir, "autofs", 0, options); err != nil {
			testenv.Skip(t, "mount autofs: "+err.Error())
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	return r
}

// mountOver mounts what is at from over a mount point, without asking for it.
func mountOver(t *testing.T, from, point string) {
	t.Helper()
	fd, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		testenv.Skip(t, "needs open_tree: "+err.Error())
	}
	defer unix.Close(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, point, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(point, unix.MNT_DETACH) })
}
