// SPDX-License-Identifier: Apache-2.0

//go:build unix

package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	t.Setenv("LD_PRELOAD", "/nonexistent")
	path := program(t, `cat; echo "$LD_PRELOAD,$LC_ALL,$1" >&2; exit 3`)
	got, err := RunPath(t.Context(), []string{path, "$(id) ; *"}, []byte("input"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Code != 3 || string(got.Stdout) != "input" || string(got.Stderr) != ",C,$(id) ; *\n" {
		t.Errorf("got %d, %q, %q", got.Code, got.Stdout, got.Stderr)
	}
	if err := got.Err([]string{"tool"}); err == nil || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("Err: %v", err)
	}
}

func TestRunLimitsOutput(t *testing.T) {
	got, err := RunPath(t.Context(), []string{program(t, "head -c 3000000 /dev/zero")}, nil)
	if err != nil || len(got.Stdout) != maxOutput {
		t.Errorf("kept %d bytes, %v", len(got.Stdout), err)
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RunPath(ctx, []string{program(t, "sleep 600")}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"hids-no-such-tool", "../bin/sh", "/bin/sh", ""} {
		if _, err := Run(t.Context(), []string{name}, nil); !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := RunPath(t.Context(), []string{"sh"}, nil); err == nil {
		t.Error("a program without its path was run")
	}
}
