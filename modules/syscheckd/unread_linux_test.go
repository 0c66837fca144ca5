// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"fmt"
	"slices"
	"testing"

	"hids/modules/syscheckd/wire"
)

// TestAgentdDiesUnread lets agentd die with messages that it never read, when
// nothing more happens that would be told: the next one gets them.
func TestAgentdDiesUnread(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	q := r.listen(map[string]bool{})
	r.start()
	for q.read() != wire.Completed {
	}
	var want []string
	for i, name := range []string{"a", "b", "c"} {
		r.write(name, fmt.Sprintf("changed to %d", i))
		want = append(want, fmt.Sprintf("%s 12:33188", name))
	}
	r.expect("updated c")
	r.await("all messages sent", func() bool { return r.daemon.out.courier.Status().Spool.Messages == 0 })
	q.close()
	q = r.listen(q.had)
	var got []string
	for range want {
		m := q.message()
		got = append(got, m[:len("a 12:33188")])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the next agentd gets %q, want %q", got, want)
	}
}
