// SPDX-License-Identifier: Apache-2.0

//go:build linux

package service

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A service manager that does not read holds nobody up for long.
func TestDeafManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	synctest.Test(t, func(t *testing.T) {
		deaf := NewManager()
		deaf.turn <- struct{}{} // somebody speaks and is not heard
		begun := time.Now()
		if err := deaf.Ready("x"); !errors.Is(err, ErrDeaf) || time.Since(begun) != patience {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
	if err := NewManager().Ready("all is well"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1\nSTATUS=all is well" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if err := NewManager().Ready("x"); err != nil {
		t.Error(err)
	}
	if err := Store("x", nil); err != nil {
		t.Error(err)
	}
	if d := Watchdog(); d != 0 {
		t.Errorf("watchdog every %v", d)
	}
}

func TestEnvironHidesManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/x")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("SERVICE_TEST", "kept")
	env := Environ()
	if slices.Contains(env, "NOTIFY_SOCKET=/x") || slices.Contains(env, "LISTEN_FDS=1") || !slices.Contains(env, "SERVICE_TEST=kept") {
		t.Errorf("got %q", env)
	}
}
