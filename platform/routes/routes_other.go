// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !windows

package routes

import (
	"context"
	"net/netip"

	"hids/platform/command"
)

func blackhole(ctx context.Context, run command.Func, addr netip.Addr) error {
	return do(ctx, run, bsd().add(addr), bsd().exists)
}

func restore(ctx context.Context, run command.Func, addr netip.Addr) error {
	return do(ctx, run, bsd().del(addr), bsd().absent)
}
