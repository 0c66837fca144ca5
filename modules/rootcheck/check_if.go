// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hids/modules/rootcheck/check"
)

// iffPromisc is IFF_PROMISC in sysfs's flags, which hold it for packet sockets
// too; the ioctl that OSSEC asks leaves those out.
const iffPromisc = 0x100

// runInterfaces reports interfaces that take in everybody's packets. Ports of
// bridges, bonds and their like do so by nature.
func runInterfaces(ctx context.Context, s *check.Scan) error {
	dir := s.Host.SysPath("class", "net")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return check.NotApplicable("there is no %s", dir)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		inspectInterface(s, filepath.Join(dir, e.Name()), e.Name())
	}
	return nil
}

func inspectInterface(s *check.Scan, dir, name string) {
	data, err := os.ReadFile(filepath.Join(dir, "flags"))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !isPlainFile(dir) {
			s.Fault("read flags of interface "+name, err)
		}
		return
	}
	flags, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(data)), "0x"), 16, 64)
	if err != nil || flags&iffPromisc == 0 || serves(dir) {
		return
	}
	text := promiscuousText(name)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "promiscuous", Thing: name, Title: text, Wire: text,
		Why: "Somebody on this machine listens to traffic that is not meant for it: a sniffer, or tcpdump, an IDS, " +
			"a virtual machine's network.",
		Advice: "See who holds a packet socket with `ss -0 -p`, and why with `ip -d link show " + safePattern(name) + "`.",
	})
}

// isPlainFile: bonding_masters stands among the interfaces.
func isPlainFile(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular()
}

// serves reports whether an interface is a part of another one (a port of a
// bridge or a bond, the carrier of a macvlan) and listens for it.
func serves(dir string) bool {
	for _, name := range []string{"brport", "master", "bonding_slave"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	uppers, err := filepath.Glob(filepath.Join(dir, "upper_*"))
	return err == nil && len(uppers) > 0
}
