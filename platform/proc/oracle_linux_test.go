// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"hids/platform/paths"
)

// TestOracles asks each about ourselves, a thread of ours and nobody.
func TestOracles(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A goroutine of its own thread, which is not the leader.
	tid := make(chan int)
	end := make(chan struct{})
	defer close(end)
	go func() {
		runtime.LockOSThread()
		id := unix.Gettid()
		if id == os.Getpid() {
			id = 0
		}
		tid <- id
		<-end
	}()
	thread := <-tid
	trusted := Trusted(Oracles(), os.Getpid())
	if len(trusted) < 8 {
		t.Errorf("only %d oracles tell us from nobody", len(trusted))
	}
	for _, o := range trusted {
		if thread != 0 && o.Ask(thread) == o.Leaders {
			t.Errorf("%s says %v of a thread", o.Name, o.Ask(thread))
		}
	}
}

func TestTasksHoldsOurThreads(t *testing.T) {
	tasks, err := Tasks(paths.Host{})
	if err != nil {
		t.Fatal(err)
	}
	pids, err := Pids(paths.Host{})
	if err != nil || !slices.Contains(pids, os.Getpid()) {
		t.Errorf("our own pid is missing from the listing (%v)", err)
	}
	if tasks[os.Getpid()] != os.Getpid() {
		t.Errorf("task %d belongs to %d", os.Getpid(), tasks[os.Getpid()])
	}
}

func BenchmarkOracles(b *testing.B) {
	for _, o := range Trusted(Oracles(), os.Getpid()) {
		b.Run(o.Name, func(b *testing.B) {
			for b.Loop() {
				o.Ask(1 << 22)
			}
		})
	}
}

func BenchmarkReadSymbols(b *testing.B) {
	for b.Loop() {
		if _, err := ReadSymbols(paths.Host{}); err != nil {
			b.Skip(err)
		}
	}
}
