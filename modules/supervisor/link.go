// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"hids/config"
	"hids/platform/logging"
	"hids/platform/paths"
)

// kind says what a message is.
type kind string

// Messages to a module's process, and from it.
const (
	kindStart  kind = "start"  // the first: what to be
	kindReload kind = "reload" // take this configuration
	kindPing   kind = "ping"   // say something
	kindStop   kind = "stop"

	kindReady    kind = "ready"
	kindFailed   kind = "failed"   // it ends, and why
	kindReloaded kind = "reloaded" // the answer to reload
	kindPong     kind = "pong"
)

// message is one line of JSON on the link between supervisor and module.
type message struct {
	Kind        kind           `json:"kind"`
	Start       *startInfo     `json:"start,omitempty"`
	Config      *config.Config `json:"config,omitempty"`
	Error       string         `json:"error,omitempty"`
	Unsupported bool           `json:"unsupported,omitempty"` // reload: the module must be started again
}

// startInfo is all that a module's process is told. The configuration comes
// with it, so that the process need not be able to read the files, and gets
// what was found good even when the files have changed since.
type startInfo struct {
	Module  string         `json:"module"`
	Process string         `json:"process"` // name of the process, in ps and in log lines
	Layout  paths.Layout   `json:"layout"`
	Host    paths.Host     `json:"host"`
	Format  logging.Format `json:"format"`
	Debug   bool           `json:"debug"`
	Umask   int            `json:"umask"`
}

// maxMessage bounds what a module can make the supervisor hold, in bytes.
const maxMessage = 64 << 10

// link is one end of the connection between supervisor and module.
type link struct {
	conn net.Conn
	mu   sync.Mutex // one message at a time
}

func (l *link) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Who does not read is not waited for; the silence is noticed elsewhere.
	if err := l.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(b, '\n'))
	return err
}

// receive calls f for every message until the other end is gone. A message
// larger than limit bytes ends it with an error.
func (l *link) receive(limit int, f func(message)) error {
	s := bufio.NewScanner(l.conn)
	s.Buffer(make([]byte, 0, 4096), limit)
	for s.Scan() {
		var m message
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			return fmt.Errorf("decode message: %w", err)
		}
		f(m)
	}
	if err := s.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}
