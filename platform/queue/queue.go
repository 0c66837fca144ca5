// SPDX-License-Identifier: Apache-2.0

// Package queue is the writing end of OSSEC's event queue, a unix datagram
// socket that agentd or analysisd reads: connecting, waiting while the reader is
// away or slow, and telling which of its errors are worth another try. What a
// message says is the caller's business, and so is keeping it until it is sent.
//
// On Linux a reader that has stopped never makes a write fail: the kernel keeps
// net.unix.max_dgram_qlen datagrams (10 by default) and then the writer waits,
// unix(7). Send waits too, but gives up when its context ends.
package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// MaxDatagram is the longest message in bytes, without its NUL, that OSSEC's
// readers take whole (OS_MAXSTR in OSSEC 2.8 and 4.3, less one).
const MaxDatagram = 6143

// ErrTooLong means that a message can never be sent.
var ErrTooLong = errors.New("longer than a datagram of the queue")

// Client sends to one queue. Its zero value is not useful; only one goroutine
// may use it at a time.
type Client struct {
	path string // the socket
	wait string // while this file exists the reader has no manager; "" if there is none
	conn net.Conn
}

// New returns a client of the socket at path. It holds messages back while the
// file wait exists, as OSSEC's daemons do.
func New(path, wait string) *Client { return &Client{path: path, wait: wait} }

// Held tells whether the reader asks to wait.
func (c *Client) Held() bool {
	if c.wait == "" {
		return false
	}
	_, err := os.Lstat(c.wait)
	return err == nil
}

// Send sends one message and the NUL byte that ends it. It waits for a slow
// reader until ctx ends. After an error other than ErrTooLong and ctx's own,
// the next Send connects anew.
func (c *Client) Send(ctx context.Context, message []byte) error {
	if len(message) > MaxDatagram {
		return fmt.Errorf("send to queue: %d bytes: %w", len(message), ErrTooLong)
	}
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("connect to queue: %w", err)
	}
	datagram := append(append(make([]byte, 0, len(message)+1), message...), 0)
	if err := c.write(ctx, datagram); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.Close()
		return fmt.Errorf("send to queue: %w", err)
	}
	return nil
}

func (c *Client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixgram", c.path)
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

// write writes one datagram, and makes the end of ctx the end of waiting.
func (c *Client) write(ctx context.Context, datagram []byte) error {
	conn := c.conn
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := conn.Write(datagram)
	return err
}

// Close ends the connection. Send may be used again.
func (c *Client) Close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// Exists tells whether there is a socket at path.
func Exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}
