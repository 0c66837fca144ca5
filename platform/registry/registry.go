// SPDX-License-Identifier: Apache-2.0

// Package registry looks into the Windows registry: whether a key is there, a
// value of it, and what the value holds. It reads only. Elsewhere there is no
// registry, and every question is errors.ErrUnsupported. How keys and values
// are written is OSSEC's way, because policies have them so.
package registry

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Hive is the beginning of a key.
type Hive string

// The hives that a key may begin with.
const (
	LocalMachine  Hive = "HKEY_LOCAL_MACHINE"
	CurrentUser   Hive = "HKEY_CURRENT_USER"
	ClassesRoot   Hive = "HKEY_CLASSES_ROOT"
	CurrentConfig Hive = "HKEY_CURRENT_CONFIG"
	Users         Hive = "HKEY_USERS"
)

// SplitKey splits HKLM\a\b into the hive and a\b; false: no such hive.
func SplitKey(key string) (Hive, string, bool) {
	hive, sub, _ := strings.Cut(key, `\`)
	if strings.EqualFold(hive, "HKLM") {
		return LocalMachine, sub, true
	}
	for _, h := range []Hive{LocalMachine, CurrentUser, ClassesRoot, CurrentConfig, Users} {
		if strings.EqualFold(hive, string(h)) {
			return h, sub, true
		}
	}
	return "", "", false
}

// The types of values, from winnt.h.
const (
	typeString   = 1
	typeExpand   = 2
	typeNumber32 = 4
	typeStrings  = 7
	typeNumber64 = 11
)

// Text writes what a value holds as policies compare it: text as it is, each
// of several texts with a blank behind it, numbers in hex, all else as hex
// bytes. (OSSEC writes of a number the first byte only.)
func Text(kind uint32, raw []byte) string {
	switch {
	case kind == typeString, kind == typeExpand:
		return strings.TrimRight(decode(raw), "\x00")
	case kind == typeStrings:
		text := strings.TrimRight(decode(raw), "\x00")
		if text == "" {
			return ""
		}
		return strings.ReplaceAll(text, "\x00", " ") + " "
	case kind == typeNumber32 && len(raw) == 4:
		return strconv.FormatUint(uint64(binary.LittleEndian.Uint32(raw)), 16)
	case kind == typeNumber64 && len(raw) == 8:
		return strconv.FormatUint(binary.LittleEndian.Uint64(raw), 16)
	}
	return hex.EncodeToString(raw)
}

func decode(raw []byte) string {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(units))
}
