// SPDX-License-Identifier: Apache-2.0

package firewall

import "hids/platform/command"

// candidates lists the packet filters in order of preference. nftables comes
// before firewalld: a drop in our own table holds whatever firewalld accepts,
// and firewalld leaves other tables alone. iptables is last, because firewalld
// flushes its chains.
func candidates(run command.Func) []Backend {
	return []Backend{nft{}, firewalld{run: run}, iptables{run: run}}
}
