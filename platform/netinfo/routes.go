// SPDX-License-Identifier: Apache-2.0

package netinfo

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// rtfUp and rtfGateway are route flags of both procfs tables (linux/route.h).
const (
	rtfUp      = 0x1
	rtfGateway = 0x2
)

// parseRoute4 reads /proc/net/route: interface, destination, gateway, flags,
// three counters, mask …; addresses are the host's native words in hex.
func parseRoute4(data []byte) []netip.Addr {
	var gateways []netip.Addr
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || !isGateway(f[3]) {
			continue
		}
		word, err := strconv.ParseUint(f[2], 16, 32)
		if err != nil {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(word))
		gateways = append(gateways, netip.AddrFrom4(b))
	}
	return gateways
}

// parseRoute6 reads /proc/net/ipv6_route: destination, its length, source, its
// length, next hop, metric, two counters, flags, interface.
func parseRoute6(data []byte) []netip.Addr {
	var gateways []netip.Addr
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 9 || f[1] != "00" || strings.Trim(f[0], "0") != "" || !isGateway(f[8]) {
			continue
		}
		var b [16]byte
		if n, err := hex.Decode(b[:], clip([]byte(f[4]), 32)); err == nil && n == 16 {
			gateways = append(gateways, netip.AddrFrom16(b))
		}
	}
	return gateways
}

func clip(b []byte, n int) []byte { return b[:min(len(b), n)] }

func isGateway(flags string) bool {
	v, err := strconv.ParseUint(flags, 16, 32)
	return err == nil && v&(rtfUp|rtfGateway) == rtfUp|rtfGateway
}
