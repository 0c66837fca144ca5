// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"net/netip"
	"testing"
)

func TestReadTarget(t *testing.T) {
	tests := map[string]string{
		"": "none", "-": "none", "null": "none",
		"203.0.113.7": "203.0.113.7", "2001:DB8::7": "2001:db8::7", "::ffff:203.0.113.7": "203.0.113.7",
		// What inet_aton(3) takes, and a program could hand to it.
		"127.1": "127.0.0.1", "1.2.3": "1.2.0.3", "1.2.65535": "1.2.255.255", "0x7f.0.0.1": "127.0.0.1",
		"017700000001": "127.0.0.1", "4294967295": "255.255.255.255", "4": "0.0.0.4",
		// What it does not take, another program might, or take for a network.
		"4294967296": "refused", "256.1.1.1": "refused", "1.2.3.4.5": "refused", "1..2": "refused", "08.1.1.1": "refused",
		"2.2.2.222222222222222222": "refused", "$(id)": "refused", "1.2.3.4\n": "refused", "1_0": "refused",
		"\t127.0.0.1": "refused", "127.": "refused", "127.0.0.1-127.0.0.9": "refused", "[::1]": "refused", "*": "refused",
		"host": "refused", "a.example": "refused", "0b1.0o7": "refused", "1.2.3.4/32": "refused", "::1,::2": "refused",
		"-x": "refused", "fe80::1%lo": "refused",
	}
	for in, want := range tests {
		got := "none"
		switch r := readTarget(in); {
		case r.refuse != "":
			got = "refused"
		case r.addr.IsValid():
			got = r.addr.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// Whatever is written, what a resolver or a packet filter could take for
// another host than the one that is checked is refused.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "127.1", "0x7f000001", "host", "::1", "1.2.3.4/0", "-", "a,b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := readTarget(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && r.addr != a.Unmap() {
			t.Fatalf("%q: %v", s, r)
		}
		if r.refuse == "" && !r.addr.IsValid() && s != "" && s != "-" && s != "null" {
			t.Fatalf("%q goes through", s)
		}
	})
}
