// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"hids/platform/firewall"
	"hids/platform/routes"
	"hids/platform/tcpwrap"
)

// lockFile returns where responses of one sort take turns. The folder is root's
// alone, so that no other process of group ossec can hold the lock.
func (e Env) lockFile(sort string) string {
	return filepath.Join(e.Layout.State("execd"), sort+".lock")
}

// firewall opens the packet filter that a response names, or the configuration.
func (e Env) firewall(ctx context.Context, tool string) (*firewall.Firewall, error) {
	if tool == "" && e.Config.Firewall != "auto" {
		tool = e.Config.Firewall
	}
	return firewall.Open(ctx, firewall.Options{Run: e.Run, Lock: e.lockFile("firewall"), Backend: tool})
}

// firewallDrop blocks an address in the packet filter.
func firewallDrop(ctx context.Context, c call) error {
	addr, err := ParseAddr(c.arg(2))
	if err != nil {
		return err
	}
	fw, err := c.firewall(ctx, c.kind.tool)
	if err != nil {
		return err
	}
	if c.deletes() {
		return fw.Unblock(ctx, addr)
	}
	return fw.Block(ctx, addr, c.Config.IPv6Prefix, c.Until)
}

// routeNull makes the host unable to answer an address.
func routeNull(ctx context.Context, c call) error {
	addr, err := ParseAddr(c.arg(2))
	if err != nil {
		return err
	}
	if c.deletes() {
		return routes.Restore(ctx, c.Run, addr)
	}
	return routes.Blackhole(ctx, c.Run, addr)
}

// hostDeny denies an address every service that asks TCP wrappers.
func hostDeny(ctx context.Context, c call) error {
	addr, err := ParseAddr(c.arg(2))
	if err != nil {
		return err
	}
	table := tcpwrap.Open(c.Host, c.lockFile("host-deny"))
	if c.deletes() {
		return table.Allow(ctx, addr)
	}
	c.recorded()
	return table.Deny(ctx, addr)
}

// customBlockDir is where OSSEC's ip-customblock.sh leaves a file per address,
// for a program of the admin's that looks there.
const customBlockDir = "/ipblock"

func customBlock(_ context.Context, c call) error {
	addr, err := ParseAddr(c.arg(2))
	if err != nil {
		return err
	}
	dir := c.Host.Path(customBlockDir)
	if c.deletes() {
		return unmark(dir, addr)
	}
	c.recorded()
	return mark(dir, addr)
}

// mark leaves a file that is there as it is. Others read it, so execd's umask
// must not count.
func mark(dir string, addr netip.Addr) error {
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the folder of blocked addresses: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, addr.String()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark the address: %w", err)
	}
	return errors.Join(f.Chmod(0o644), f.Close())
}

func unmark(dir string, addr netip.Addr) error {
	err := os.Remove(filepath.Join(dir, addr.String()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmark the address: %w", err)
	}
	return nil
}
