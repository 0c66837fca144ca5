// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// The layout of security.capability, from linux/capability.h (struct
// vfs_cap_data and vfs_ns_cap_data): a little-endian magic with the revision in
// its top byte and the effective flag in its lowest bit, then pairs of
// permitted and inheritable words, one pair before revision 2 and two since.
const (
	capRevisionShift = 24
	capEffective     = 1
	capWord          = 4
)

var capabilityNames = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid
	setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
	sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config
	mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend
	audit_read perfmon bpf checkpoint_restore`)

// Capabilities tells the value of security.capability as getcap(8) does:
// "cap_net_raw=ep". What it cannot read it shows in hex.
func Capabilities(value []byte) string {
	permitted, inheritable, effective, ok := parseCapabilities(value)
	switch {
	case len(value) == 0:
		return ""
	case !ok:
		return "0x" + hex.EncodeToString(value)
	}
	flags := ""
	if effective {
		flags = "e"
	}
	var parts []string
	for _, set := range []struct {
		bits  uint64
		flags string
	}{
		{permitted &^ inheritable, flags + "p"},
		{permitted & inheritable, flags + "ip"},
		{inheritable &^ permitted, flags + "i"},
	} {
		if set.bits != 0 {
			parts = append(parts, capNames(set.bits)+"="+set.flags)
		}
	}
	if parts == nil {
		return "="
	}
	return strings.Join(parts, " ")
}

func parseCapabilities(value []byte) (permitted, inheritable uint64, effective, ok bool) {
	if len(value) < 3*capWord {
		return 0, 0, false, false
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(value[i*capWord:])) }
	magic := word(0)
	permitted, inheritable = word(1), word(2)
	if magic>>capRevisionShift >= 2 {
		if len(value) < 5*capWord {
			return 0, 0, false, false
		}
		permitted |= word(3) << 32
		inheritable |= word(4) << 32
	}
	return permitted, inheritable, magic&capEffective != 0, true
}

func capNames(bits uint64) string {
	var names []string
	for i := range 64 {
		if bits&(1<<i) == 0 {
			continue
		}
		name := strconv.Itoa(i)
		if i < len(capabilityNames) {
			name = capabilityNames[i]
		}
		names = append(names, "cap_"+name)
	}
	return strings.Join(names, ",")
}

// xattrValue reads the text of a field of an extended attribute, 0x and hex.
func xattrValue(text string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil
	}
	return b
}
