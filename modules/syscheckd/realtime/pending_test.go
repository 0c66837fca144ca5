// SPDX-License-Identifier: Apache-2.0

package realtime

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// clock is the time of a test.
type clock struct{ now time.Time }

func (c *clock) after(d time.Duration) time.Time {
	c.now = c.now.Add(d)
	return c.now
}

func begin() (*Pending, *clock) {
	root := func(string) (string, bool) { return "/watched", true }
	return New(root), &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func want(t *testing.T, got []Look, want ...Look) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("looks %v, want %v", got, want)
	}
}

func TestQuietPathIsLookedAtOnce(t *testing.T) {
	p, c := begin()
	p.Add("/watched/f", c.now)
	p.Add("/watched/f", c.after(time.Millisecond))
	want(t, p.Due(c.after(time.Millisecond)))
	want(t, p.Due(c.after(Settle)), Look{Path: "/watched/f"})
	want(t, p.Due(c.after(time.Hour)))
}

// TestRenameIsLookedAtTogether: whether the new name is watched or not.
func TestRenameIsLookedAtTogether(t *testing.T) {
	p, c := begin()
	p.Left("/watched/old", c.now)
	want(t, p.Due(c.after(2*Settle)))
	p.Add("/watched/new", c.now)
	p.Arrived("/watched/new", c.now)
	want(t, p.Due(c.after(Settle)), Look{Path: "/watched/old"}, Look{Path: "/watched/new"})
	p.Left("/watched/gone", c.after(time.Hour))
	want(t, p.Due(c.after(renameWait)), Look{Path: "/watched/gone"})
}

// TestRestlessPath writes every millisecond for ten seconds.
func TestRestlessPath(t *testing.T) {
	p, c := begin()
	looks := 0
	for range 10_000 {
		p.Add("/watched/f", c.after(time.Millisecond))
		looks += len(p.Due(c.now))
	}
	if looks < 9 || looks > 15 {
		t.Errorf("%d looks in 10 s, want about one a second", looks)
	}
	c.after(Slowest)
	want(t, p.Due(c.now), Look{Path: "/watched/f"})
	p.Add("/watched/f", c.after(Slowest))
	want(t, p.Due(c.after(Settle)), Look{Path: "/watched/f"})
}

func TestManyNamesBecomeATree(t *testing.T) {
	p, c := begin()
	for i := range perFolder + 1 {
		p.Add(fmt.Sprintf("/watched/d/%d", i), c.now)
	}
	p.Add("/watched/d/later", c.after(time.Millisecond))
	p.Add("/watched/other", c.now)
	want(t, p.Due(c.after(treeLimit)), Look{Path: "/watched/other"}, Look{Path: "/watched/d", Tree: true})
	if p.Len() != 0 || len(p.folders) != 0 {
		t.Errorf("%d wait, %d folders are counted", p.Len(), len(p.folders))
	}
}

func TestTreeThatNeverRests(t *testing.T) {
	p, c := begin()
	p.AddTree("/watched/d", c.now)
	for range int(treeLimit / time.Millisecond) {
		p.Add("/watched/d/f", c.after(time.Millisecond))
	}
	want(t, p.Due(c.now), Look{Path: "/watched/d", Tree: true})
}

func TestTooManyBecomeRoots(t *testing.T) {
	p, c := begin()
	for i := range inAll + 1 {
		p.Add(fmt.Sprintf("/watched/%d/f", i), c.now)
	}
	want(t, p.Due(c.after(treeLimit)), Look{Path: "/watched", Tree: true})
}

// TestNothingIsForgotten adds at random and demands that after each Add a look
// at the path, or at a tree above it, follows.
func TestNothingIsForgotten(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 2))
		p, c := begin()
		owed := map[string]bool{}
		for range 1500 {
			name := fmt.Sprintf("/watched/%d/%d", rng.IntN(3), rng.IntN(800))
			p.Add(name, c.now)
			owed[name] = true
			for _, l := range p.Due(c.after(time.Duration(rng.IntN(500)) * time.Microsecond)) {
				settle(owed, l)
			}
		}
		for _, l := range p.Due(c.after(time.Minute)) {
			settle(owed, l)
		}
		if len(owed) != 0 || p.Len() != 0 {
			t.Fatalf("seed %d: %d paths were never looked at, %d still wait", seed, len(owed), p.Len())
		}
	}
}

func settle(owed map[string]bool, l Look) {
	if !l.Tree {
		delete(owed, l.Path)
		return
	}
	for name := range owed {
		if within(name, l.Path) {
			delete(owed, name)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	p, c := begin()
	for i := range 200_000 {
		p.Add(fmt.Sprintf("/watched/%d/%d", i%997, i), c.now)
		if p.Len() > inAll+1 {
			t.Fatalf("%d wait", p.Len())
		}
		if i%100 == 0 {
			p.Due(c.after(time.Millisecond))
		}
	}
	if len(p.recent) > inAll {
		t.Errorf("%d paths are remembered", len(p.recent))
	}
}
