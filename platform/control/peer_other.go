// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !freebsd

package control

import (
	"errors"
	"net"
)

func peerOf(*net.UnixConn) (Peer, error) { return Peer{}, errors.ErrUnsupported }
