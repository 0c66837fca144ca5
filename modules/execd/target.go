// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"net/netip"
	"strconv"
	"strings"

	"hids/platform/netinfo"
)

// target is what the address of a request is.
type target struct {
	addr   netip.Addr // invalid: the request names no address
	refuse string     // why a request with it is refused, or ""
}

// readTarget looks at what a sender wrote as the address. "-", nothing, and
// agent_control's "null" mean that there is none. Other text is refused: a host name
// (whoever owns the name chooses who is blocked), a prefix, a list, and whatever a
// program could still take for an address, as a shell does that reads "\t127.0.0.1".
func readTarget(s string) target {
	switch {
	case s == "" || s == "-" || s == "null":
		return target{}
	case s[0] == '-':
		return target{refuse: "the address begins with a hyphen and could be taken for an option"}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return target{refuse: "the address has a zone"}
		}
		return target{addr: netinfo.Plain(a)}
	}
	if a, ok := parseOldIPv4(s); ok {
		return target{addr: a}
	}
	switch {
	case strings.ContainsAny(s, "/,"):
		return target{refuse: "it is a prefix or a list, not one address"}
	case isHostName(s):
		return target{refuse: "it is a host name, not an address"}
	}
	return target{refuse: "it is not an address"}
}

// parseOldIPv4 reads what inet_aton(3) takes beside the usual form: one to four
// parts, each decimal, octal or hexadecimal, the last filling the rest. 127.1
// is 127.0.0.1, and must not get past the never-block list.
func parseOldIPv4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 32)
		limit := uint64(1) << 8
		if i == len(parts)-1 {
			limit = 1 << (8 * (5 - len(parts)))
		}
		if err != nil || n >= limit || !isOldNumber(part) {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			value = value<<(8*(5-len(parts))) | n
		} else {
			value = value<<8 | n
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// isOldNumber leaves out what Go reads as a number and C does not.
func isOldNumber(s string) bool {
	s = strings.ToLower(s)
	return !strings.Contains(s, "_") && !strings.HasPrefix(s, "0b") && !strings.HasPrefix(s, "0o")
}

// isHostName says that a resolver could be asked for s: letters, digits,
// hyphens, underscores and dots, with a letter among them.
func isHostName(s string) bool {
	letter := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letter = true
		case r >= '0' && r <= '9', r == '.', r == '-', r == '_':
		default:
			return false
		}
	}
	return letter
}

// refuseUser says why an account can't be meant, or "".
func refuseUser(s string) string {
	if len(s) > 1 && s[0] == '-' {
		return "the user begins with a hyphen and could be taken for an option"
	}
	return ""
}
