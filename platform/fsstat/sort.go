// SPDX-License-Identifier: Apache-2.0

package fsstat

import (
	"bytes"
	"slices"
)

func (l *List) sort() {
	slices.SortFunc(l.entries, func(a, b entry) int {
		return bytes.Compare(l.names[a.off:a.off+uint32(a.size)], l.names[b.off:b.off+uint32(b.size)])
	})
}
