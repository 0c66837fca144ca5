// SPDX-License-Identifier: Apache-2.0

package priority

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLower runs in a child, for there is no way back.
func TestLower(t *testing.T) {
	if os.Getenv("PRIORITY_CHILD") == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLower$", "-test.v")
		child.Env = append(os.Environ(), "PRIORITY_CHILD=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := Lower(); err != nil {
		t.Fatal(err)
	}
	policies := make(chan uintptr)
	for range 20 {
		go func() {
			policy, _, _ := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
			policies <- policy
		}()
	}
	for range 20 {
		if p := <-policies; p != schedBatch {
			t.Errorf("a thread has policy %d, want %d", p, schedBatch)
		}
	}
}
