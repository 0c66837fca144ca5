// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
	if err := c.Settle(t.Context()); err != nil { // or it would come again
		t.Fatal(err)
	}
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

// tellsUnread leaves the test out where the kernel does not tell what is unread.
func tellsUnread(t *testing.T, c *Client) {
	t.Helper()
	if !c.Unsettled() {
		if runtime.GOOS == "linux" {
			t.Error("what is not read yet is forgotten")
		}
		t.Skip("the kernel does not tell what is unread")
	}
}

// TestUnreadComesAgain lets a reader die with unread datagrams: the next one gets
// them, in order, before what is new, and not all from the beginning.
func TestUnreadComesAgain(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprintf("idle %v", idle), func(t *testing.T) {
			path := filepath.Join(socketDir(t), "queue")
			c := New(path, "")
			defer c.Close()
			send := func(text string) {
				t.Helper()
				if err := c.Send(t.Context(), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			first := listen(t, path)
			for i := range 100 {
				send(fmt.Sprintf("read %d", i))
				receive(t, first)
			}
			send("one")
			send("two")
			receive(t, first)
			send("three")
			tellsUnread(t, c)
			first.Close()
			if idle {
				if c.Settle(t.Context()) == nil {
					t.Error("settled with a dead reader")
				}
			} else if c.Send(t.Context(), []byte("four")) == nil {
				t.Error("sent to a dead reader")
			}
			os.Remove(path)
			second := listen(t, path)
			if idle {
				if err := c.Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			send("four")
			var got []string
			for len(got) == 0 || got[len(got)-1] != "four\x00" {
				got = append(got, receive(t, second))
			}
			all := []string{"read 99\x00", "one\x00", "two\x00", "three\x00", "four\x00"}
			if n := len(got); n < 3 || n > 5 || !slices.Equal(got, all[5-n:]) {
				t.Errorf("the next reader gets %q", got)
			}
		})
	}
}

// TestReadIsForgotten settles with a reader that lives: nothing comes again, and
// nothing is kept.
func TestReadIsForgotten(t *testing.T) {
	path := filepath.Join(socketDir(t), "queue")
	c := New(path, "")
	defer c.Close()
	reader := listen(t, path)
	if err := c.Send(t.Context(), []byte("one")); err != nil {
		t.Fatal(err)
	}
	tellsUnread(t, c)
	if err := c.Settle(t.Context()); err != nil || !c.Unsettled() {
		t.Errorf("settled before it was read: %v", err)
	}
	receive(t, reader)
	if err := c.Settle(t.Context()); err != nil || c.Unsettled() {
		t.Errorf("not settled after it was read: %v", err)
	}
	reader.Close()
	os.Remove(path)
	if err := c.Settle(t.Context()); err != nil {
		t.Errorf("nothing is left to settle: %v", err)
	}
}

// TestUnreadIsBounded sends to a reader that is always a little behind.
func TestUnreadIsBounded(t *testing.T) {
	path := filepath.Join(socketDir(t), "queue")
	c := New(path, "")
	defer c.Close()
	reader := listen(t, path)
	for range 5 {
		if err := c.Send(t.Context(), []byte("ahead")); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	for range 1000 {
		if err := c.Send(t.Context(), bytes.Repeat([]byte("x"), 200)); err != nil {
			t.Fatal(err)
		}
		receive(t, reader)
		most = max(most, len(c.unread.datagrams))
	}
	if most > 7 { // what was read since it was asked
		t.Errorf("%d datagrams are kept, 5 or 6 are unread", most)
	}
}
