// SPDX-License-Identifier: Apache-2.0

package execd

import "testing"

// A queue that is never empty, as in a flood, keeps its order and its size.
func TestFIFO(t *testing.T) {
	var f fifo
	in, out := 0, 0
	jobs := make([]job, 100_000)
	push := func() { f.push(&jobs[in]); in++ }
	for range 200 {
		push()
	}
	for in < len(jobs) {
		push()
		if j := f.pop(); j != &jobs[out] {
			t.Fatalf("number %d came out of its turn", out)
		}
		out++
	}
	if f.len() != 200 || cap(f.jobs) > 1024 {
		t.Errorf("%d jobs in %d places", f.len(), cap(f.jobs))
	}
	for f.pop() != nil {
		out++
	}
	if out != len(jobs) || f.bytes != 0 || f.jobs != nil {
		t.Errorf("%d came out, %d bytes are left", out, f.bytes)
	}
}
