// SPDX-License-Identifier: Apache-2.0

// Package execq is the datagram socket on which execd takes requests: how it
// is bound and how a datagram is received together with the credentials the
// kernel vouches for. What a datagram says, and who may send one, is not
// decided here.
package execq

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Sender is who sent a datagram, as the kernel saw it at the moment of sending.
type Sender struct {
	Known bool // false: this kernel does not say, or the datagram was queued before the socket asked for it
	PID   int  // 0: in a pid namespace that cannot be seen from here
	UID   uint32
	GID   uint32
}

// Receiver reads datagrams from one socket. Only Interrupt may be called beside
// its other methods.
type Receiver struct {
	conn        *net.UnixConn
	oob         []byte
	interrupted atomic.Bool
}

// Open takes over a bound socket. It does not close f, nor remove the socket.
func Open(f *os.File) (*Receiver, error) {
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over the request socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("take over the request socket: it is not a unix datagram socket"), c.Close())
	}
	if err := askForSender(u); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, errors.Join(fmt.Errorf("ask for senders' credentials: %w", err), u.Close())
	}
	return &Receiver{conn: u, oob: make([]byte, oobSize())}, nil
}

// Receive waits for the next datagram until the deadline (the zero time waits
// for ever) and puts it into buf; what does not fit is cut. A datagram may be
// empty. A passed deadline is os.ErrDeadlineExceeded.
func (r *Receiver) Receive(buf []byte, deadline time.Time) (int, Sender, error) {
	if err := r.conn.SetReadDeadline(deadline); err != nil {
		return 0, Sender{}, err
	}
	// After the deadline: an Interrupt from here on sets another one.
	if r.interrupted.Load() {
		return 0, Sender{}, os.ErrDeadlineExceeded
	}
	n, oobn, _, _, err := r.conn.ReadMsgUnix(buf, r.oob)
	if err != nil {
		return 0, Sender{}, err
	}
	return n, parseSender(r.oob[:oobn]), nil
}

// TryReceive is Receive for a datagram that is already there; without one it
// returns os.ErrDeadlineExceeded and does not wait.
func (r *Receiver) TryReceive(buf []byte) (int, Sender, error) {
	return tryReceive(r, buf)
}

// Interrupt makes a waiting Receive, and every later one, return
// os.ErrDeadlineExceeded at once.
func (r *Receiver) Interrupt() {
	r.interrupted.Store(true)
	_ = r.conn.SetReadDeadline(time.Unix(1, 0))
}

// Close ends the receiver; the socket stays where it is for the one who bound it.
func (r *Receiver) Close() error { return r.conn.Close() }

// mode is that of the socket: its group may send.
const mode = 0o660

// Owner is the owner and group of the socket at path.
type Owner struct{ UID, GID uint32 }

// Listen binds the socket at path, mode 0660, group gid (-1 keeps the
// process's own), as OSSEC does. A socket that is in the way is replaced;
// anything else that is in the way is an error. The file has no name tied to it:
// closing it leaves the socket's inode behind.
func Listen(path string, gid int) (*os.File, error) {
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("bind request socket: %s exists and is no socket: move it away", path)
	} else if err == nil {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("bind request socket: %w", err)
		}
	}
	u, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("bind request socket: %w", err)
	}
	defer u.Close() // File duplicates it
	if err := askForSender(u); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("ask for senders' credentials: %w", err)
	}
	if err := share(path, gid); err != nil {
		return nil, fmt.Errorf("give request socket to its group: %w", err)
	}
	return u.File()
}
