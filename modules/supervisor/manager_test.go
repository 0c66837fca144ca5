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

// manager plays systemd: it takes notifications and descriptors, and like
// systemd it always reads.
type manager struct {
	path string
	said chan notification // as many as a test can cause
}

type notification struct {
	state string
	file  *os.File // that came with it; nil: none
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify"), said: make(chan notification, 1<<20)}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(m.said)
		m.read(c)
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
		for n := range m.said {
			_ = n.file.Close()
		}
	})
	return m
}

func (m *manager) read(c *net.UnixConn) {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		m.said <- notification{string(buf[:n]), descriptor(oob[:oobn])}
	}
}

// next waits for a notification that begins with want, and returns the
// descriptor that came with it, if any. Others before it are passed over.
func (m *manager) next(t *testing.T, want string) *os.File {
	t.Helper()
	enough := time.After(time.Minute)
	for {
		select {
		case n := <-m.said:
			if strings.HasPrefix(n.state, want) {
				return n.file
			}
			_ = n.file.Close()
		case <-enough:
			t.Fatalf("waited for %q", want)
		}
	}
}

func descriptor(oob []byte) *os.File {
	msgs, _ := syscall.ParseSocketControlMessage(oob)
	for _, msg := range msgs {
		fds, err := syscall.ParseUnixRights(&msg)
		if err == nil && len(fds) == 1 {
			return os.NewFile(uintptr(fds[0]), "kept")
		}
	}
	return nil
}
