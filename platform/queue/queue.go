// SPDX-License-Identifier: Apache-2.0

// Package queue is the writing end of OSSEC's event queue, a unix datagram
// socket that agentd or analysisd reads: connecting, waiting while the reader is
// away or slow, and telling which of its errors are worth another try. What a
// message says is the caller's business, and so is keeping it until it is sent.
//
// On Linux a reader that has stopped never makes a write fail: the kernel keeps
// net.unix.max_dgram_qlen datagrams (10 by default) and then the writer waits,
// unix(7). Send waits too, but gives up when its context ends.
//
// What a reader had not read when it died is lost with its socket. So a Client
// remembers what may not be read yet, and sends it again to the next reader.
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

	reader fs.FileInfo // the socket's file when it was connected to; nil: not known
	unread unread
	left   int         // what the kernel held for the reader after the last write, see outq
	costs  map[int]int // of datagrams by their length, see costOf
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
	if err := c.deliver(ctx, append(append(make([]byte, 0, len(message)+1), message...), 0)); err != nil {
		return fmt.Errorf("send to queue: %w", err)
	}
	return nil
}

// Unsettled tells whether the reader may not have read all that was sent.
func (c *Client) Unsettled() bool { return len(c.unread.datagrams) > 0 }

// Settle finds out what the reader has read meanwhile. When there is another
// reader than before, that gets what the one before left unread; without any,
// the error says so, and Settle is to be called again.
func (c *Client) Settle(ctx context.Context) error {
	if !c.Unsettled() {
		return nil
	}
	if c.conn != nil {
		left := outq(c.conn)
		if c.sameReader(ctx) { // so what left says is true
			c.unread.trim(left)
			return nil
		}
		c.Close()
	}
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("connect to queue: %w", err)
	}
	return nil
}

// sameReader reports whether the reader that was connected to still reads: the
// name leads to its socket, and that takes connections.
func (c *Client) sameReader(ctx context.Context) bool {
	now, err := os.Stat(c.path)
	if err != nil || c.reader == nil || !same(now, c.reader) {
		return false
	}
	var d net.Dialer
	probe, err := d.DialContext(ctx, "unixgram", c.path)
	if err != nil {
		return false
	}
	return probe.Close() == nil
}

// same tells a socket's file from one that was made later and got its number.
func same(a, b fs.FileInfo) bool { return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) }

// deliver writes one datagram and remembers it. That the reader takes it proves
// that it was alive when left was measured.
func (c *Client) deliver(ctx context.Context, datagram []byte) error {
	if err := c.write(ctx, datagram); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.Close()
		return err
	}
	c.unread.trim(c.left)
	c.left = outq(c.conn)
	if c.left != unknown {
		c.remember(datagram)
	}
	return nil
}

func (c *Client) remember(datagram []byte) {
	n := len(datagram)
	if _, known := c.costs[n]; !known {
		if c.costs == nil {
			c.costs = map[int]int{}
		}
		c.costs[n] = costOf(n)
	}
	c.unread.add(datagram, c.costs[n])
}

// connect connects, and sends again what an earlier reader may not have read.
func (c *Client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	before, _ := os.Stat(c.path)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixgram", c.path)
	if err != nil {
		return err
	}
	c.conn, c.left, c.reader = conn, 0, nil
	if after, err := os.Stat(c.path); err == nil && before != nil && same(before, after) {
		c.reader = after
	}
	return c.deliverAgain(ctx)
}

func (c *Client) deliverAgain(ctx context.Context) error {
	again := c.unread
	c.unread = unread{}
	for i, datagram := range again.datagrams {
		if err := c.deliver(ctx, datagram); err != nil {
			for _, d := range again.datagrams[i:] {
				c.remember(d)
			}
			c.Close() // or what is left would come too late
			return err
		}
	}
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
