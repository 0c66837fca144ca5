// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"bytes"
	"context"
	"net/netip"

	"hids/platform/command"
)

// dialect is how a system's route tool is spoken to.
type dialect struct {
	add, del func(addr netip.Addr) []string
	exists   string // in the answer of an add: it is there already
	absent   string // in the answer of a delete: it is not there
}

// do runs the tool; an answer that holds harmless is success.
func do(ctx context.Context, run command.Func, argv []string, harmless string) error {
	result, err := run(ctx, argv, nil)
	if err != nil || bytes.Contains(append(result.Stdout, result.Stderr...), []byte(harmless)) {
		return err
	}
	return result.Err(argv)
}

// bsd is route(8) of the BSDs and macOS, used as OSSEC's route-null.sh does.
func bsd() dialect {
	argv := func(action string, addr netip.Addr) []string {
		family, lo := "-inet", "127.0.0.1"
		if addr.Is6() {
			family, lo = "-inet6", "::1"
		}
		return []string{"route", "-q", "-n", action, "-host", family, addr.String(), lo, "-blackhole"}
	}
	return dialect{
		add:    func(a netip.Addr) []string { return argv("add", a) },
		del:    func(a netip.Addr) []string { return argv("delete", a) },
		exists: "File exists",
		absent: "not in table",
	}
}

// windows is ROUTE.EXE, used as OSSEC's route-null.cmd does: it has no
// blackhole, but a next hop that is nobody.
func windows() dialect {
	return dialect{
		add: func(a netip.Addr) []string {
			network, hop := netip.PrefixFrom(a, a.BitLen()).String(), "0.0.0.0"
			if a.Is6() {
				hop = "::"
			}
			return []string{"route", "ADD", network, hop}
		},
		del: func(a netip.Addr) []string {
			return []string{"route", "DELETE", netip.PrefixFrom(a, a.BitLen()).String()}
		},
		exists: "already exists",
		absent: "not found",
	}
}
