// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package execq

import (
	"errors"
	"net"
	"os"
	"time"
)

// Only Linux's credentials are read so far; elsewhere the socket's mode alone
// says who may send.

func oobSize() int { return 0 }

func askForSender(*net.UnixConn) error { return errors.ErrUnsupported }

func parseSender([]byte) Sender { return Sender{} }

func tryReceive(r *Receiver, buf []byte) (int, Sender, error) {
	return r.Receive(buf, time.Now())
}

// share lets the group send.
func share(path string, gid int) error {
	if err := os.Lchown(path, -1, gid); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// OwnerOf returns who owns the socket at path.
func OwnerOf(string) (Owner, error) { return Owner{}, errors.ErrUnsupported }
