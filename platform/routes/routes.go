// SPDX-License-Identifier: Apache-2.0

// Package routes makes the host unable to answer an address, by a route that
// leads nowhere. Packets still come in; blocking those is platform/firewall.
package routes

import (
	"context"
	"fmt"
	"net/netip"

	"hids/platform/command"
)

// Blackhole adds the route. One that is there already is no error; a route of
// another kind to just this address is, since removing ours would lose it.
func Blackhole(ctx context.Context, run command.Func, addr netip.Addr) error {
	if err := blackhole(ctx, run, addr); err != nil {
		return fmt.Errorf("add a route to nowhere for %s: %w", addr, err)
	}
	return nil
}

// Restore removes the route. One that is not there is no error.
func Restore(ctx context.Context, run command.Func, addr netip.Addr) error {
	if err := restore(ctx, run, addr); err != nil {
		return fmt.Errorf("remove the route to nowhere for %s: %w", addr, err)
	}
	return nil
}
