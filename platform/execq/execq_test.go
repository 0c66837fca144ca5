// SPDX-License-Identifier: Apache-2.0

package execq_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"hids/platform/execq"
)

func listen(t *testing.T) (string, *execq.Receiver) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "execq")
	f, err := execq.Listen(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := execq.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); f.Close() })
	return path, r
}

func send(t *testing.T, path string, datagrams ...string) {
	t.Helper()
	c, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, d := range datagrams {
		if _, err := c.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReceive(t *testing.T) {
	path, r := listen(t)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v", fi.Mode(), err)
	}
	send(t, path, "one", "", "longer than it")
	buf := make([]byte, 6)
	for _, want := range []string{"one", "", "longer"} {
		n, from, err := r.Receive(buf, time.Time{})
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("got %q, %v, want %q", buf[:n], err, want)
		}
		if runtime.GOOS == "linux" && (!from.Known || from.PID != os.Getpid() || int(from.UID) != os.Getuid() || int(from.GID) != os.Getgid()) {
			t.Errorf("sender %+v", from)
		}
	}
}

func TestTryReceiveDoesNotWait(t *testing.T) {
	path, r := listen(t)
	buf := make([]byte, 16)
	if _, _, err := r.TryReceive(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("empty queue: %v", err)
	}
	send(t, path, "x")
	if n, _, err := r.TryReceive(buf); err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
}

func TestInterrupt(t *testing.T) {
	_, r := listen(t)
	done := make(chan error)
	go func() {
		_, _, err := r.Receive(make([]byte, 16), time.Time{})
		done <- err
	}()
	r.Interrupt() // before the Receive or in it
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

// A datagram that arrived before anybody read, or asked for credentials, is
// still there and has the sender: the one who bound the socket asked.
func TestListenKeepsEarlyDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "execq")
	f, err := execq.Listen(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	send(t, path, "early")
	r, err := execq.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 16)
	n, from, err := r.Receive(buf, time.Time{})
	if err != nil || string(buf[:n]) != "early" || (runtime.GOOS == "linux" && !from.Known) {
		t.Fatalf("%q %+v %v", buf[:n], from, err)
	}
}

func TestListenReplacesOnlySockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "execq")
	for range 2 { // the second finds the socket of the first
		f, err := execq.Listen(path, -1)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := execq.Listen(path, -1); err == nil {
		t.Fatal("replaced a regular file")
	}
	if b, _ := os.ReadFile(path); string(b) != "x" {
		t.Error("the file was touched")
	}
}
