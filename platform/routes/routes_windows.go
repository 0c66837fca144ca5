// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"net/netip"

	"hids/platform/command"
)

func blackhole(ctx context.Context, run command.Func, addr netip.Addr) error {
	return do(ctx, run, windows().add(addr), windows().exists)
}

func restore(ctx context.Context, run command.Func, addr netip.Addr) error {
	return do(ctx, run, windows().del(addr), windows().absent)
}
