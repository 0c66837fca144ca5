// SPDX-License-Identifier: Apache-2.0

// Package testenv says what a test needs that a machine may lack. Only tests
// import it.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Skip leaves a test out and says why. With HIDS_TEST_ALL=1, as CI sets it, the
// test fails instead: nothing is left out in silence.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("HIDS_TEST_ALL") == "1" {
		t.Fatalf("needs what this machine lacks: %s", why)
	}
	t.Skip(why)
}

// Root leaves the test out unless it runs as root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	// The second run of the suite, as an ordinary user, leaves these out on
	// purpose; they have run as root already.
	if os.Getenv("HIDS_TEST_UNPRIVILEGED") == "1" {
		t.Skip("needs root")
	}
	Skip(t, "needs root")
}

// Shared returns a path below the folder of recordings and stock files that
// may stand beside the checkout ($HIDS_SHARED, else ../shared).
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	base := os.Getenv("HIDS_SHARED")
	if base == "" {
		base = filepath.Join(moduleRoot(t), "..", "shared")
	}
	path := filepath.Join(append([]string{base}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no shared material: %v", err)
	}
	return path
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("go.mod not found above the working directory")
		}
		dir = parent
	}
}
