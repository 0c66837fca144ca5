// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hids/platform/paths"
)

// sized is how large a test is: full where everything is to be tested, once;
// small by default, under the race detector, and in the run as a plain user.
func sized(full, small int) int {
	if os.Getenv("HIDS_TEST_ALL") == "1" && os.Getenv("HIDS_TEST_UNPRIVILEGED") == "" && !raceEnabled {
		return full
	}
	return small
}

// siege is a daemon with many files and a reader that does it no favour.
type siege struct {
	*rig
	f      *fickle
	random *rand.Rand
	files  int
	gone   []string // deleted after they were in the baseline
	looks  sync.WaitGroup
	peak   atomic.Int64 // most memory that any of its processes held, in bytes
}

// name is that of the i-th file: a hundred to a folder.
func (*siege) name(i int) string { return fmt.Sprintf("d%d/f%d", i/100, i) }

// disturb changes some files, of the half that is never deleted.
func (s *siege) disturb() {
	s.t.Helper()
	for range 1 + s.random.IntN(20) {
		s.grow(s.name(s.random.IntN(s.files / 2)))
	}
}

// remove deletes the next of the files that are kept for it.
func (s *siege) remove() {
	s.t.Helper()
	name := s.name(s.files - 1 - len(s.gone))
	must(s.t, os.Remove(s.path(name)))
	s.gone = append(s.gone, name)
}

// child starts the daemon and looks at the memory it holds for itself, until it
// has ended. The pages of the baseline that are mapped are the system's.
func (s *siege) child() *exec.Cmd {
	s.t.Helper()
	cmd := s.rig.child()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	s.looks.Go(func() {
		for {
			text, err := os.ReadFile(status)
			_, rest, running := strings.Cut(string(text), "RssAnon:")
			if err != nil || !running {
				return
			}
			if kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil && kib<<10 > s.peak.Load() {
				s.peak.Store(kib << 10)
			}
			time.Sleep(5 * time.Millisecond) // how often is no matter
		}
	})
	return cmd
}

// kill kills the daemon, and waits until nobody looks at it any more.
func (s *siege) kill(cmd *exec.Cmd) {
	s.t.Helper()
	s.rig.kill(cmd)
	s.looks.Wait()
}

// ends waits for the end of the n-th scan that the log tells of.
func (s *siege) ends(n int) {
	s.t.Helper()
	s.await("the end of a scan", func() bool { return s.ended() >= n })
}

// ended is how many scans the log tells the end of.
func (s *siege) ended() int { return strings.Count(s.log.String(), "msg=\"Ending syscheck scan") }

// spooled tells whether a message waits in the spool, or did.
func (s *siege) spooled(text string) bool {
	files, _ := filepath.Glob(filepath.Join(paths.Layout{Home: s.home}.State("syscheckd"), "spool", "*.seg"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	return false
}

// live scans with a reader that takes everything, for comparison.
func (s *siege) live() int64 {
	s.t.Helper()
	s.f.open(s.t)
	s.f.read()
	cmd := s.child()
	s.ends(1)
	s.hears(s.files)
	s.kill(cmd)
	for range s.files / 100 { // and one that has a baseline, and as much to tell
		s.disturb()
	}
	cmd = s.child()
	s.ends(2)
	s.f.lastIs(s.rig, s.name(0), s.size(s.name(0)))
	s.kill(cmd)
	s.f.close()
	must(s.t, os.RemoveAll(filepath.Join(s.home, "queue")))
	s.f.got, s.f.count = map[string][]int64{}, 0
	return s.peak.Swap(0)
}

// hears waits until something was told of so many files.
func (s *siege) hears(files int) {
	s.t.Helper()
	s.f.await(s.rig, func() string { return fmt.Sprintf("told of %d of %d files", len(s.f.got), files) },
		func() bool { return len(s.f.got) >= files })
}

// read is how many messages the reader has taken.
func (s *siege) read() int {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.count
}

// blocked is the daemon's first scan while the reader takes a few messages and
// then stops: the scan comes to its end, and what happens then is noticed.
func (s *siege) blocked(minute time.Duration) {
	s.t.Helper()
	s.f.open(s.t)
	s.f.read()
	scans, before := s.ended(), s.read()
	cmd := s.child()
	s.f.await(s.rig, func() string { return "the first messages" }, func() bool { return s.f.count > before+s.files/100 })
	s.f.block(true)
	before = s.read()
	over := time.After(minute)
	s.ends(scans + 1)
	s.remove()
	last := "-1 " + s.path(s.gone[len(s.gone)-1])
	s.await("a deletion to be noticed", func() bool { return s.spooled(last) })
	for done := false; !done; {
		select {
		case <-over:
			done = true
		case <-time.After(100 * time.Millisecond): // the pace of what happens to the files
			s.disturb()
		}
	}
	if n := s.read() - before; n > 1 { // it may have been at one
		s.t.Errorf("%d messages were read by a blocked reader", n)
	}
	s.f.block(false)
	s.hears(s.files)
	s.kill(cmd)
}

// die is a reader's end. It takes no more, reads what it was sent by then, so
// that all that is missing in the end was never sent, and refuses.
func (s *siege) die() {
	s.t.Helper()
	conn := s.f.conn
	must(s.t, conn.CloseRead())
	must(s.t, conn.SetReadDeadline(time.Unix(1, 0)))
	s.f.block(false)
	<-s.f.done
	raw, err := conn.SyscallConn()
	must(s.t, err)
	b := make([]byte, 8192)
	must(s.t, raw.Control(func(fd uintptr) {
		for n := 0; err == nil; n, err = syscall.Read(int(fd), b) {
			s.f.note(b[:n])
		}
	}))
	if !errors.Is(err, syscall.EAGAIN) {
		s.t.Fatal(err)
	}
	s.f.close()
}

// lives kills the daemon again and again in the middle of a scan, while the
// reader comes and goes.
func (s *siege) lives(kills int) {
	s.t.Helper()
	for i := range kills {
		switch i % 5 {
		case 0: // it restarts
			s.f.open(s.t)
			s.f.read()
		case 1: // it is blocked
			s.f.block(true)
		case 2: // it goes on
			s.f.block(false)
		case 3: // it dies, and its socket refuses
			s.die()
		case 4: // and is gone
			must(s.t, os.Remove(s.f.path))
		}
		cmd := s.child()
		s.disturb()
		if s.hasBaseline() {
			s.remove()
		}
		time.Sleep(time.Duration(s.random.IntN(40)) * time.Millisecond) // how far it comes is a matter of luck
		s.disturb()
		s.kill(cmd)
	}
}

// verify demands the last state of every file, and each file's history in
// order.
func (s *siege) verify() {
	s.t.Helper()
	s.f.open(s.t)
	s.f.read()
	scans := s.ended()
	cmd := s.child()
	s.ends(scans + 1)
	gone := map[string]bool{}
	for _, name := range s.gone {
		s.f.lastIs(s.rig, name, -1)
		gone[s.path(name)] = true
	}
	for i := range s.files - len(s.gone) {
		s.f.lastIs(s.rig, s.name(i), s.size(s.name(i)))
	}
	s.kill(cmd)
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for path, list := range s.f.got {
		list = endingOnce(list)
		for i, size := range list {
			last := i == len(list)-1
			if size == -1 && (!last || !gone[path]) || i > 0 && size != -1 && size < list[i-1] {
				s.t.Errorf("%s: told out of order: %v", path, list)
				break
			}
		}
	}
}

// endingOnce leaves out the repetition of a file's end. While it is not certain
// that the manager has heard of a file, its deletion is told as two messages, and
// who is killed behind them tells both again.
func endingOnce(list []int64) []int64 {
	for n := len(list); n >= 4 && list[n-1] == -1 && list[n-3] == -1 && list[n-2] == list[n-4]; n = len(list) {
		list = list[:n-2]
	}
	return list
}

// TestSiege is the reader of the queue at its worst while many files are
// scanned: it takes a few messages and is blocked, for a minute in the full
// test, dies, refuses, is gone and comes back, and the daemon is killed 200
// times. Scans go on, nothing is lost, the order of each file's states is kept,
// and the daemon holds no more memory than with a reader that is well.
func TestSiege(t *testing.T) {
	r := newRig(t)
	s := &siege{rig: r, f: newFickle(r.home), random: rand.New(rand.NewPCG(6, 6)), files: sized(100_000, 2000)}
	r.fill(s.files, "content")
	t.Cleanup(s.f.close)
	began := time.Now()
	well := s.live()
	t.Logf("%d files, a reader that is well: peak %d KiB, %v", s.files, well>>10, time.Since(began).Round(time.Second))
	// The daemon can be killed before there is a baseline, too.
	s.lives(sized(20, 5))
	s.blocked(time.Duration(sized(60, 1)) * time.Second)
	t.Logf("blocked: peak %d KiB, %v", s.peak.Load()>>10, time.Since(began).Round(time.Second))
	s.die()
	s.lives(sized(180, 20))
	t.Logf("killed: peak %d KiB, %v", s.peak.Load()>>10, time.Since(began).Round(time.Second))
	s.verify()
	t.Logf("at the end: peak %d KiB, %v; %d messages", s.peak.Load()>>10, time.Since(began).Round(time.Second), s.f.count)
	// The race detector has memory of its own.
	if most := well + well/4 + 8<<20; s.peak.Load() > most && !raceEnabled {
		t.Errorf("peak of %d KiB, at most %d wanted: with a reader that is well it was %d", s.peak.Load()>>10, most>>10, well>>10)
	}
}

// TestNothingIsLostBeforeItIsSent kills the daemon while it tries to send to a
// reader that is dead, time and again. What is told of a deletion is told once,
// so that nothing makes up for a message that went with its process.
func TestNothingIsLostBeforeItIsSent(t *testing.T) {
	r := newRig(t)
	s := &siege{rig: r, f: newFickle(r.home), random: rand.New(rand.NewPCG(7, 7)), files: 50}
	r.fill(s.files, "content")
	t.Cleanup(s.f.close)
	for i := range 10 {
		s.f.open(t)
		s.f.read()
		cmd := s.child()
		s.ends(i + 1)
		s.remove()
		s.f.lastIs(r, s.gone[len(s.gone)-1], -1) // so nothing waits any more
		s.die()
		s.remove()
		last := "-1 " + s.path(s.gone[len(s.gone)-1])
		s.await("a deletion to be noticed", func() bool { return s.spooled(last) })
		// By the time that a later change is noticed the baseline has the deletion.
		s.grow(s.name(0))
		next := fmt.Sprintf("%s%d:", wireFile, s.size(s.name(0)))
		s.await("a change to be noticed", func() bool { return s.spooled(next) })
		s.kill(cmd)
	}
	s.verify()
}
