// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// listen plays agentd. The socket's folder is made short: sun_path holds 108
// bytes.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func socketDir(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no unix datagram sockets on Windows")
	}
	dir, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 8192)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestDatagramEndsWithNUL(t *testing.T) {
	path := filepath.Join(socketDir(t), "queue")
	reader := listen(t, path)
	c := New(path, "")
	defer c.Close()
	if err := c.Send(t.Context(), []byte("8:syscheck:syscheck-db-completed")); err != nil {
		t.Fatal(err)
	}
	if got, want := receive(t, reader), "8:syscheck:syscheck-db-completed\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReaderComesBack(t *testing.T) {
	path := filepath.Join(socketDir(t), "queue")
	c := New(path, "")
	defer c.Close()
	if err := c.Send(t.Context(), []byte("nobody")); err == nil {
		t.Fatal("sent to nobody")
	}
	first := listen(t, path)
	if err := c.Send(t.Context(), []byte("one")); err != nil {
		t.Fatal(err)
	}
	receive(t, first)
	first.Close()
	os.Remove(path)
	if err := c.Send(t.Context(), []byte("two")); err == nil {
		t.Fatal("sent to a reader that has gone")
	}
	second := listen(t, path)
	if err := c.Send(t.Context(), []byte("two")); err != nil {
		t.Fatalf("after the reader came back: %v", err)
	}
	if got := receive(t, second); got != "two\x00" {
		t.Errorf("got %q", got)
	}
}

// TestSlowReader fills the queue until Send waits, and ends the wait.
func TestSlowReader(t *testing.T) {
	path := filepath.Join(socketDir(t), "queue")
	listen(t, path)
	c := New(path, "")
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	message := bytes.Repeat([]byte("x"), MaxDatagram)
	for {
		if err := c.Send(ctx, message); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the wait ended with %v, want the context's error", err)
			}
			return
		}
	}
}

func TestTooLong(t *testing.T) {
	c := New(filepath.Join(socketDir(t), "queue"), "")
	if err := c.Send(t.Context(), make([]byte, MaxDatagram+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

func TestHeld(t *testing.T) {
	wait := filepath.Join(t.TempDir(), ".wait")
	c := New("unused", wait)
	if c.Held() {
		t.Error("held without the file")
	}
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.Held() {
		t.Error("not held though the file exists")
	}
}
