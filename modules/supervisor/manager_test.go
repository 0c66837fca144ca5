// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager plays systemd: it takes notifications and descriptors.
type manager struct {
	path string
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	m.conn = c
	return m
}

// next waits for a notification that begins with want, and returns the
// descriptor that came with it, if any. Others before it are passed over.
func (m *manager) next(t *testing.T, want string) *os.File {
	t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Fatalf("waited for %q: %v", want, err)
		}
		if !strings.HasPrefix(string(buf[:n]), want) {
			continue
		}
		return descriptor(t, oob[:oobn])
	}
}

func descriptor(t *testing.T, oob []byte) *os.File {
	t.Helper()
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	for _, msg := range msgs {
		fds, err := syscall.ParseUnixRights(&msg)
		if err == nil && len(fds) == 1 {
			f := os.NewFile(uintptr(fds[0]), "kept")
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
	}
	return nil
}
