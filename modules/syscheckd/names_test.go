// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"fmt"
	"testing"

	"hids/modules/syscheckd/record"
)

// TestNamesAreBounded: a backup made of hard links has millions at once.
func TestNamesAreBounded(t *testing.T) {
	n := newNames()
	for i := range 10 * maxNotes {
		n.note(fmt.Sprintf("/backup/%d", i), &record.Record{Inode: uint64(i / 2), Links: 2}, false)
	}
	held := 0
	for _, by := range n.changed {
		held += len(by)
	}
	if held > maxNotes || len(n.known) > maxNotes {
		t.Errorf("%d notes about %d files are held", held, len(n.known))
	}
	if !n.lost || !n.waiting.Load() {
		t.Error("what was left out is not looked for")
	}
	n.settle()
	if n.lost || n.waiting.Load() || len(n.changed) != 0 || len(n.known) > maxFamilies {
		t.Errorf("after it was seen to: %+v", n)
	}
	n.note("/etc/a", &record.Record{Inode: 1, Links: 2}, false)
	n.note("/etc/b", &record.Record{Inode: 1, Links: 2}, false)
	if n.lost || len(n.changed) != 1 {
		t.Error("it does not note what comes next")
	}
}
