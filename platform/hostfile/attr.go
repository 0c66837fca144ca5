// SPDX-License-Identifier: Apache-2.0

package hostfile

// Attr is what statx(2) adds to Info.
type Attr struct {
	Immutable  bool // chattr(1) +i
	AppendOnly bool // chattr(1) +a
	Automount  bool // looking inside would mount something
	Mounted    bool // something is mounted right here; a kernel before 5.8 does not tell
}
