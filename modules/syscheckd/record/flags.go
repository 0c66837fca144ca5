// SPDX-License-Identifier: Apache-2.0

package record

import "strings"

// The bits of Flags that have names, from statx(2) and from Windows.
const (
	FlagCompressed uint64 = 0x4
	FlagImmutable  uint64 = 0x10
	FlagAppend     uint64 = 0x20
	FlagNoDump     uint64 = 0x40
	FlagEncrypted  uint64 = 0x800
	FlagVerity     uint64 = 0x100000
	FlagDAX        uint64 = 0x200000

	// Those of Windows, moved up by 40 bits.
	FlagReadOnly uint64 = 1 << 40
	FlagHidden   uint64 = 2 << 40
	FlagSystem   uint64 = 4 << 40

	// KnownFlags are those that someone sets on a file; the others (automount,
	// mount root) tell of the mount table.
	KnownFlags = FlagCompressed | FlagImmutable | FlagAppend | FlagNoDump | FlagEncrypted | FlagVerity | FlagDAX |
		FlagReadOnly | FlagHidden | FlagSystem
)

// FlagNames names the flags of a file, as chattr(1) does in its manual:
// "immutable append". No flags are "none".
func FlagNames(flags uint64) string {
	var names []string
	for _, f := range [...]struct {
		bit  uint64
		name string
	}{
		{FlagImmutable, "immutable"},
		{FlagAppend, "append"},
		{FlagNoDump, "nodump"},
		{FlagCompressed, "compressed"},
		{FlagEncrypted, "encrypted"},
		{FlagVerity, "verity"},
		{FlagDAX, "dax"},
		{FlagReadOnly, "readonly"},
		{FlagHidden, "hidden"},
		{FlagSystem, "system"},
	} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}
