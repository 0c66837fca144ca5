// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
)

// sniffer is a process (or nobody) with sockets below TCP and UDP.
type sniffer struct {
	exe    string
	kind   string // "packet" or "raw"
	filter bool
}

// sniffers reports who listens below TCP and UDP and is not known to need it.
// A filter on a packet socket is what backdoors such as BPFDoor wait behind
// for their magic packet, without an open port and without promiscuity.
func sniffers(ctx context.Context, s *check.Scan) error {
	found, err := check.Stable(ctx, func() (map[sniffer]holder, error) { return snifferList(ctx, s) })
	if err != nil {
		return err
	}
	owned, err := exeOwners(ctx, s, found)
	if err != nil {
		s.Fault("ask which package owns a program", err)
	}
	for key, who := range found {
		if key.exe != "" && usualSniffer(path.Base(key.exe)) && (owned[key.exe] != "" || s.Packages == nil && systemFolder(key.exe)) {
			continue
		}
		reportSniffer(s, key, who)
	}
	return nil
}

func snifferList(ctx context.Context, s *check.Scan) (map[sniffer]holder, error) {
	packets, err := packetSockets(s.Host)
	if err != nil {
		return nil, err
	}
	raw, err := rawSockets(s.Host)
	if err != nil || len(packets)+len(raw) == 0 {
		return nil, err
	}
	held, unseen, err := holders(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	found := make(map[sniffer]holder)
	add := func(inode uint32, kind string, filter bool) {
		list := held[inode]
		if len(list) == 0 && unseen.Denied > 0 {
			s.Log.Debug("socket of a process that cannot be looked at", "kind", kind)
			return
		}
		if len(list) == 0 {
			list = []holder{{}}
		}
		for _, who := range list {
			found[sniffer{who.exe, kind, filter}] = who
		}
	}
	for _, p := range packets {
		add(p.Inode, "packet", len(p.Filter) > 0)
	}
	for _, r := range raw {
		add(r.Inode, "raw", false)
	}
	return found, nil
}

func packetSockets(h paths.Host) ([]netstat.PacketSocket, error) {
	list, err := netstat.PacketDiag()
	if errors.Is(err, errors.ErrUnsupported) || h.Proc != "" {
		if list, err = netstat.ProcPacket(h); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	return list, err
}

// rawSockets leaves out ICMP, which every ping and monitor uses.
func rawSockets(h paths.Host) ([]netstat.Socket, error) {
	var list []netstat.Socket
	for _, v6 := range []bool{false, true} {
		sockets, err := netstat.ProcNet(h, netstat.Table{Proto: "raw", V6: v6})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, s := range sockets {
			if p := s.Local.Port(); s.Inode != 0 && (p == 6 || p == 17 || p == 255) {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

func exeOwners(ctx context.Context, s *check.Scan, found map[sniffer]holder) (map[string]string, error) {
	if s.Packages == nil || len(found) == 0 {
		return nil, nil
	}
	var ask []string
	for key := range found {
		if path.IsAbs(key.exe) {
			ask = append(ask, key.exe)
		}
	}
	return s.Packages.Owners(ctx, ask)
}

func systemFolder(p string) bool {
	return strings.HasPrefix(p, "/usr/") && !strings.HasPrefix(p, "/usr/local/") || strings.HasPrefix(p, "/bin/") || strings.HasPrefix(p, "/sbin/")
}

// usualSniffer lists programs that need such sockets. The name alone excuses
// nothing: the file must belong to a package too.
func usualSniffer(base string) bool {
	return slices.ContainsFunc([]string{
		"dhclient", "dhcpcd", "udhcpc", "dhcpd", "kea-dhcp", "dnsmasq", "NetworkManager", "systemd-networkd", "connmand", "wicked", "netplan",
		"wpa_supplicant", "hostapd", "iwd", "lldpd", "lldpad", "ladvd", "cdpd", "keepalived", "vrrpd", "ucarp", "arpwatch", "arping", "avahi-autoipd", "zcip",
		"tcpdump", "dumpcap", "tshark", "wireshark", "suricata", "snort", "zeek", "ntopng", "softflowd", "pmacctd", "p0f",
		"packetbeat", "nmap", "nping", "masscan", "conntrackd", "ospfd", "isisd", "pimd", "bird", "frr", "charon", "pppd", "pppoe", "rp-pppoe", "mtr-packet", "traceroute",
		"qemu-system", "radvd", "ndppd", "rdisc", "in.rdisc", "ptp4l", "phc2sys", "ssmping",
	}, func(name string) bool { return strings.HasPrefix(base, name) })
}

func reportSniffer(s *check.Scan, key sniffer, who holder) {
	exe := event.SafeText(key.exe)
	if exe == "" {
		exe = "unknown"
	}
	f := check.Finding{
		Kind: check.Suspicious, Rule: key.kind + "-socket", Thing: key.exe, PID: who.pid, Exe: key.exe,
		Title:    fmt.Sprintf("The program '%s' has a %s socket.", exe, key.kind),
		Why:      "It sees or makes packets below TCP and UDP. Sniffers do that; so do DHCP clients, intrusion detection and network tools.",
		Advice:   fmt.Sprintf("ss -0pb; ss -wp; ls -l /proc/%d/exe", who.pid),
		Evidence: map[string]string{"filter": strconv.FormatBool(key.filter)},
		Wire:     fmt.Sprintf("Process executable '%s' has a %s socket open. Possible sniffer.", exe, key.kind),
	}
	if key.filter {
		f.Rule, f.Severity = key.kind+"-filter", 10
		f.Title = fmt.Sprintf("The program '%s' waits for packets behind a filter on a packet socket.", exe)
		f.Why = "A backdoor needs no open port when it waits for one magic packet: BPFDoor and others do exactly this. Network tools that no package owns look the same."
		f.Wire = fmt.Sprintf("Process executable '%s' has a packet socket with a filter. Possible backdoor or sniffer.", exe)
	}
	if strings.HasSuffix(key.exe, deleted) {
		f.Why += " The file was deleted or replaced since: after an upgrade, start the program anew."
	}
	if who.pid == 0 {
		f.Why += " No process was found that holds it."
	}
	s.Report(f)
}
