// SPDX-License-Identifier: Apache-2.0

package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
)

// hiddenSocket is a socket that one listing lacks.
type hiddenSocket struct {
	proto string
	inode uint32
	lacks string
}

// The listings.
const (
	inProcNet  = "/proc/net"
	inSockDiag = "sock_diag"
)

func hiddenSockets(ctx context.Context, s *check.Scan) error {
	if _, err := netstat.SockDiag(netstat.Table{Proto: "tcp"}); errors.Is(err, errors.ErrUnsupported) {
		return check.NotApplicable("%w", err)
	}
	hidden, err := check.Stable(ctx, func() (map[hiddenSocket]netstat.Socket, error) { return compareTables(s.Host) })
	if err != nil {
		return err
	}
	reported := make(map[string]int)
	for _, key := range slices.SortedFunc(maps.Keys(hidden), compareKeys) {
		socket := hidden[key]
		port := fmt.Sprint(key.proto, " ", socket.Local.Port(), " ", key.lacks)
		if reported[port]++; reported[port] == 1 && len(reported) <= 2*excessive {
			reportSocket(s, key, socket)
		}
	}
	return nil
}

func compareKeys(a, b hiddenSocket) int {
	return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.inode, b.inode), cmp.Compare(a.lacks, b.lacks))
}

// compareTables returns the sockets that are in one listing before and after
// the other was made, which lacks them.
func compareTables(h paths.Host) (map[hiddenSocket]netstat.Socket, error) {
	hidden := make(map[hiddenSocket]netstat.Socket)
	for _, t := range netstat.Tables() {
		fromProc := func() ([]netstat.Socket, error) { return netstat.ProcNet(h, t) }
		fromDiag := func() ([]netstat.Socket, error) { return netstat.SockDiag(t) }
		for _, c := range []struct {
			here, there func() ([]netstat.Socket, error)
			lacks       string
		}{{fromDiag, fromProc, inProcNet}, {fromProc, fromDiag, inSockDiag}} {
			missing, err := between(c.here, c.there)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
				continue // no IPv6, or a kernel without raw_diag
			}
			if err != nil {
				return nil, err
			}
			for inode, socket := range missing {
				hidden[hiddenSocket{t.Proto, inode, c.lacks}] = socket
			}
		}
	}
	return hidden, nil
}

func between(here, there func() ([]netstat.Socket, error)) (map[uint32]netstat.Socket, error) {
	var sets [3]map[uint32]netstat.Socket
	for i, list := range []func() ([]netstat.Socket, error){here, there, here} {
		sockets, err := list()
		if err != nil {
			return nil, err
		}
		sets[i] = make(map[uint32]netstat.Socket, len(sockets))
		for _, s := range sockets {
			// Sockets without an inode belong to nobody any more; /proc/net
			// never shows those that are only bound.
			if s.Inode != 0 && (s.Proto != "tcp" || s.State != netstat.Close) {
				sets[i][s.Inode] = s
			}
		}
	}
	missing := sets[2]
	maps.DeleteFunc(missing, func(inode uint32, _ netstat.Socket) bool {
		_, before := sets[0][inode]
		_, shown := sets[1][inode]
		return !before || shown
	})
	return missing, nil
}

func reportSocket(s *check.Scan, key hiddenSocket, socket netstat.Socket) {
	port := int(socket.Local.Port())
	f := check.Finding{
		Kind: check.Rootkit, Rule: "hidden-socket", Thing: fmt.Sprintf("%s %d not in %s", key.proto, port, key.lacks),
		Title:  fmt.Sprintf("A socket with the %s port %d is missing from %s.", key.proto, port, key.lacks),
		Why:    "Both listings are the kernel's and show the same sockets. One that leaves a socket out has been tampered with.",
		Advice: fmt.Sprintf("ss -anp 'sport = :%d'; grep -i ':%04X' /proc/net/%s*", port, port, key.proto),
		Evidence: map[string]string{
			"local": socket.Local.String(), "remote": socket.Remote.String(), "uid": fmt.Sprint(socket.UID),
		},
		Wire: portText(port, key.proto),
	}
	if key.proto == "raw" {
		f.Title = fmt.Sprintf("A raw socket for the IP protocol %d is missing from %s.", port, key.lacks)
		f.Wire = fmt.Sprintf("Raw socket for protocol '%d' hidden from %s. Possible kernel level rootkit.", port, key.lacks)
	}
	s.Report(f)
}
