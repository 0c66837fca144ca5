// SPDX-License-Identifier: Apache-2.0

// Package netinfo tells what a host's network hangs on: its own addresses, its
// default gateways and resolvers, and from where its administrators are logged
// in. Readers take the host, parsers take bytes. What follows from an address
// being one of these is not decided here.
package netinfo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"

	"hids/platform/paths"
)

// readLimit bounds each file that is read: a router's table may be endless.
const readLimit = 4 << 20

// Own returns the addresses of this machine's interfaces, in both families,
// without zones.
func Own() ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	addrs := make([]netip.Addr, 0, len(nets))
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			addrs = append(addrs, Plain(p.Addr()))
		}
	}
	return addrs, nil
}

// Plain is the address without zone, and an IPv4 address in IPv6's clothes as
// IPv4: two spellings of one peer are equal.
func Plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

// Resolvers returns the name servers of resolv.conf(5) and, behind
// systemd-resolved's stub, the real ones.
func Resolvers(h paths.Host) ([]netip.Addr, error) {
	data, err := readBounded(h.Path("/etc/resolv.conf"))
	if err != nil {
		return nil, fmt.Errorf("read resolvers: %w", err)
	}
	addrs := parseResolvConf(data)
	if more, err := readBounded(h.Path("/run/systemd/resolve/resolv.conf")); err == nil {
		addrs = append(addrs, parseResolvConf(more)...)
	}
	return addrs, nil
}

func parseResolvConf(data []byte) []netip.Addr {
	var addrs []netip.Addr
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			addrs = append(addrs, Plain(a))
		}
	}
	return addrs
}

// readBounded reads at most readLimit bytes; a file that is not there is empty.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, readLimit))
}
