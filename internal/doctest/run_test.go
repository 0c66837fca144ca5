// SPDX-License-Identifier: Apache-2.0

//go:build linux && !race

package doctest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"hids/internal/testenv"
)

// TestPages runs the blocks of each page, in a copy of this system. The race
// detector has nothing to find here: the programs under test are built anew.
func TestPages(t *testing.T) {
	testenv.Root(t)
	programs := build(t)
	for _, page := range pages(t) {
		blocks := blocksOf(t, page)
		here := func(b Block) bool {
			return b.Class == "user" || b.Class == "root" || b.Class == "clone" || b.File != ""
		}
		if !slices.ContainsFunc(blocks, here) {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) { runPage(t, programs, page) })
	}
}

// build makes the programs that a page is run with.
func build(t *testing.T) string {
	t.Helper()
	programs := t.TempDir()
	for _, pkg := range []string{".", "./internal/doctest/docrun"} {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", programs, pkg)
		build.Dir = top
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build.Args, err, out)
		}
	}
	return programs
}

func runPage(t *testing.T, programs, page string) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	tree, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(programs, "copy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(page) {
		page = filepath.Join(tree, page)
	}
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(tree, "internal/doctest/machine.sh"), programs, tree, "user,root,clone", page)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off")
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		dir, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, name+"="+string(bytes.TrimSpace(dir)))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		// Mounts stay here.
		Unshareflags: syscall.CLONE_NEWNS,
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
