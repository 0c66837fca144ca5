// SPDX-License-Identifier: Apache-2.0

package netinfo

import (
	"fmt"
	"net/netip"

	"hids/platform/paths"
)

// Gateways returns the default gateways of the main routing tables, from
// procfs.
func Gateways(h paths.Host) ([]netip.Addr, error) {
	v4, err := readBounded(h.ProcPath("net", "route"))
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	v6, err := readBounded(h.ProcPath("net", "ipv6_route"))
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	return append(parseRoute4(v4), parseRoute6(v6)...), nil
}
