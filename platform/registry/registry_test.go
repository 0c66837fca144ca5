// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
)

func TestSplitKey(t *testing.T) {
	for key, want := range map[string][2]string{
		`HKLM\Software\X`:                {"HKEY_LOCAL_MACHINE", `Software\X`},
		`hkey_local_machine\SYSTEM`:      {"HKEY_LOCAL_MACHINE", "SYSTEM"},
		"HKEY_USERS":                     {"HKEY_USERS", ""},
		`HKEY_CURRENT_USER\Control\Data`: {"HKEY_CURRENT_USER", `Control\Data`},
		`HKEY_NONE\X`:                    {},
		"":                               {},
	} {
		hive, sub, ok := SplitKey(key)
		if string(hive) != want[0] || sub != want[1] || ok != (want[0] != "") {
			t.Errorf("%q: %q, %q, %v", key, hive, sub, ok)
		}
	}
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		kind uint32
		raw  []byte
		want string
	}{
		{typeString, wide("Ünïcode\x00"), "Ünïcode"},
		{typeExpand, wide(`%WINDIR%\x`), `%WINDIR%\x`},
		{typeStrings, wide("a\x00b\x00\x00"), "a b "},
		{typeStrings, nil, ""},
		{typeNumber32, []byte{0x80, 1, 0, 0}, "180"},
		{typeNumber64, []byte{1, 0, 0, 0, 0, 0, 0, 1}, "100000000000001"},
		{typeNumber32, []byte{7}, "07"},
		{3, []byte{0xde, 0xad}, "dead"},
		{typeString, []byte{'x'}, ""},
	} {
		if got := Text(c.kind, c.raw); got != c.want {
			t.Errorf("type %d, % x: %q, want %q", c.kind, c.raw, got, c.want)
		}
	}
}
