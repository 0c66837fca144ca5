// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// burstGrowth is how much more memory a burst five times as big may take, in
// KiB: 8,000 requests more would be 6 MiB if they waited in memory (see
// TestWaitingIsSmall). They wait on disk; what is left is what the runtime has
// not collected yet.
const burstGrowth = 3 << 10

// Eight senders send as fast as they can, to an execd in a process of its own
// that runs real programs: nothing is lost, each request is run or merged, each
// block is undone, and the memory is that of a burst a fifth as big.
func TestBurst(t *testing.T) {
	const senders = 8
	small, big := 400, 2000
	if fullSize() {
		small, big = 2000, 10000
	}
	a := startApart(t, "a0 - counts - 0\nb1 - counts - 1\n", nil)
	a.write(a.layout.ResponseBin()+"/counts", "#!/bin/sh\necho $1 >>"+a.layout.Join("runs")+"\n")
	a.burst(senders, small, 18)
	before := a.peak()
	a.burst(senders, big, 19)
	after := a.peak()
	t.Logf("peak of memory: %d KiB after %d requests, %d KiB after %d", before, small, after, big)
	if !raceEnabled && after > before+burstGrowth { // the detector has a memory of its own
		t.Errorf("memory grew from %d to %d KiB", before, after)
	}
	s := a.settled()
	if s.Accepted+s.Merged != a.sent || s.Undone == 0 || s.Failed != 0 {
		t.Errorf("of %d requests: %+v", a.sent, s)
	}
	runs, err := os.ReadFile(a.layout.Join("runs"))
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(strings.Count(string(runs), "add\n")); got != s.Accepted {
		t.Errorf("%d programs ran, %d requests were accepted", got, s.Accepted)
	}
	if got := int64(strings.Count(string(runs), "delete\n")); got != s.Undone {
		t.Errorf("%d programs undid, %d blocks are undone", got, s.Undone)
	}
}

// burst sends so many requests at once and waits until all is over. Half of
// them block for a second; each is about an address of its own.
func (a *apart) burst(senders, requests, net int) {
	a.t.Helper()
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			c := a.dial()
			defer c.Close()
			for i := range requests / senders {
				name := []string{"a0", "b1"}[i%2]
				if _, err := fmt.Fprintf(c, "%s - 198.%d.%d.%d 1445000000.1 5712 x->/var/log/auth.log -\x00",
					name, net, sender<<3|i>>8, i&255); err != nil {
					a.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	a.sent += int64(requests)
	a.settled()
}

// peak is the most memory the process had so far, in KiB.
func (a *apart) peak() int {
	a.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				a.t.Fatal(err)
			}
			return n
		}
	}
	a.t.Fatalf("no VmHWM in %s", status)
	return 0
}
