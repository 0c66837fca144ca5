// SPDX-License-Identifier: Apache-2.0

//go:build unix

package syscheckd

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// seeds are the random sequences that one test tries, each known by the seed it
// is made from. By default they are few: as many as a few seconds allow.
// HIDS_TEST_ALL=1 makes them thousands, HIDS_SEQUENCES any number, and HIDS_SEED
// repeats one.
type seeds struct {
	first  uint64
	n      int64
	until  time.Time // no more are begun after it, unless it is zero
	taken  atomic.Int64
	failed atomic.Bool
}

func newSeeds(t *testing.T, all int64) *seeds {
	t.Helper()
	s := &seeds{first: rand.Uint64() >> 1, n: all}
	number := func(name string) (uint64, bool) {
		text := os.Getenv(name)
		if text == "" {
			return 0, false
		}
		n, err := strconv.ParseUint(text, 10, 63)
		must(t, err)
		return n, true
	}
	if many, ok := number("HIDS_SEQUENCES"); ok {
		s.n = int64(many)
	} else if os.Getenv("HIDS_TEST_ALL") != "1" || os.Getenv("HIDS_TEST_UNPRIVILEGED") != "" || raceEnabled {
		s.until = time.Now().Add(8 * time.Second)
	}
	if seed, ok := number("HIDS_SEED"); ok {
		s.first = seed
		if _, many := number("HIDS_SEQUENCES"); !many {
			s.n = 1
		}
		s.until = time.Time{}
	}
	t.Cleanup(func() { t.Logf("%d sequences from seed %d on", min(s.taken.Load(), s.n), s.first) })
	return s
}

// together is how many may be tried at once, of at most n.
func (s *seeds) together(n int64) int64 { return min(n, s.n) }

// more tells whether next has a seed.
func (s *seeds) more() bool {
	return s.taken.Load() < s.n && !s.failed.Load() && (s.until.IsZero() || time.Now().Before(s.until))
}

func (s *seeds) next() (uint64, bool) {
	if !s.more() {
		return 0, false
	}
	i := s.taken.Add(1) - 1
	return s.first + uint64(i), i < s.n
}

// run tries one, and says how to repeat it. After a failure there are no more.
func (s *seeds) run(t *testing.T, seed uint64, f func(*testing.T)) {
	name := strconv.FormatUint(seed, 10)
	if !t.Run("seed="+name, f) {
		s.failed.Store(true)
		t.Errorf("HIDS_SEED=%s repeats it", name)
	}
}

// places are where trees are made: file systems differ in when they use the
// number of an inode again.
func places() []string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return []string{memory, ""}
	}
	return []string{""}
}
