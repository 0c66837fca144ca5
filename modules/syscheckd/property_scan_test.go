// SPDX-License-Identifier: Apache-2.0

//go:build unix

package syscheckd

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hids/modules/event"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
	"hids/modules/syscheckd/session"
	"hids/platform/paths"
)

// TestScansTellAll does random things to trees, and scans all of them or a
// part. What a scan tells makes the old tree the new one, and what waits to be
// accepted makes the accepted tree the new one.
func TestScansTellAll(t *testing.T) {
	seeds := newSeeds(t, 4000)
	var wg sync.WaitGroup
	for i := range seeds.together(4) {
		wg.Go(func() {
			for {
				seed, ok := seeds.next()
				if !ok {
					return
				}
				seeds.run(t, seed, func(t *testing.T) {
					scanned(t, seed, places()[int(i)%len(places())])
				})
			}
		})
	}
	wg.Wait()
}

// scanning is a session over a tree that a hand changes.
type scanning struct {
	t        *testing.T
	hand     *hand
	home     string
	session  *session.Session
	told     []*event.Event
	seen     tree // what was told so far makes this
	accepted tree
}

func scanned(t *testing.T, seed uint64, place string) {
	home, err := os.MkdirTemp(place, "h")
	must(t, err)
	defer os.RemoveAll(home)
	home, err = filepath.EvalSymlinks(home)
	must(t, err)
	s := &scanning{t: t, home: home, hand: &hand{
		Rand: rand.New(rand.NewPCG(seed, 1)), root: filepath.Join(home, "tree"), outside: filepath.Join(home, "outside"),
	}}
	must(t, os.MkdirAll(s.hand.root, 0o755))
	must(t, os.MkdirAll(filepath.Join(s.hand.outside, "a", "b"), 0o755))
	s.open()
	defer func() { s.session.Close() }()
	s.hand.acts(20)
	s.seen = treeOf(t, s.hand.root)
	s.accepted = maps.Clone(s.seen)
	s.scan()
	if len(s.told) != 0 {
		t.Fatalf("told by the scan that makes the baseline: %q", linesOf(s.told))
	}
	for range 4 {
		s.round()
	}
}

func (s *scanning) open() {
	s.t.Helper()
	var err error
	s.session, err = session.Open(session.Options{
		Layout: paths.Layout{Home: s.home}, Config: configOf(s.hand.root), Access: session.Write,
		Events: event.SinkFunc(func(_ context.Context, e *event.Event) error {
			s.told = append(s.told, e)
			return nil
		}),
	})
	must(s.t, err)
}

func (s *scanning) scan(paths ...string) {
	s.t.Helper()
	_, err := s.session.Scan(s.t.Context(), session.Scan{Trigger: "scan-now", Paths: paths, Look: len(paths) > 0})
	if len(paths) == 0 || !errors.Is(err, scan.ErrNotWatched) { // it may lie behind a link
		must(s.t, err)
	}
}

// round changes the tree, scans some or all of it, and now and then accepts
// what was found, or opens the baseline anew.
func (s *scanning) round() {
	s.t.Helper()
	s.hand.acts(1 + s.hand.IntN(30))
	if s.hand.IntN(2) == 0 {
		part := s.hand.pick()
		s.scan(part, s.hand.pick())
		s.follow()
		if !s.behindLink(part) { // then it is another place, or none that is watched
			s.same("a scan of "+part, below(s.seen, s.hand.root, part), below(treeOf(s.t, s.hand.root), s.hand.root, part))
		}
	}
	s.scan()
	s.follow()
	disk := treeOf(s.t, s.hand.root)
	s.same("a scan", s.seen, disk)
	s.scan()
	if len(s.told) != 0 {
		s.t.Fatalf("told again: %q", linesOf(s.told))
	}
	s.waiting(disk)
	switch s.hand.IntN(4) {
	case 0:
		_, err := s.session.Accept(nil)
		must(s.t, err)
		s.accepted = disk
		s.waiting(disk)
	case 1:
		must(s.t, s.session.Close())
		s.open()
	}
}

func (s *scanning) behindLink(p string) bool {
	for p = filepath.Dir(p); p != s.hand.root; p = filepath.Dir(p) {
		if info, err := os.Lstat(p); err == nil && info.Mode().Type() == os.ModeSymlink {
			return true
		}
	}
	return false
}

// follow applies what was told.
func (s *scanning) follow() {
	s.t.Helper()
	for _, e := range s.told {
		s.seen.apply(s.t, s.hand.root, e)
	}
	if s.t.Failed() {
		s.t.Fatalf("told: %q", linesOf(s.told))
	}
	s.told = nil
}

// waiting demands that what waits to be accepted leads from the accepted tree to
// the one on disk. It is no history: what went away goes first.
func (s *scanning) waiting(disk tree) {
	s.t.Helper()
	tr := maps.Clone(s.accepted)
	var list []*event.Event
	must(s.t, s.session.Differing(nil, func(c *scan.Change, in report.Inside) error {
		e := s.session.Maker("scan-now").Event(c, in)
		list = append(list, e)
		gone := ""
		switch c.Action {
		case scan.Moved:
			gone = c.From
		case scan.Deleted:
			gone = c.Path
		}
		if gone != "" {
			delete(tr, strings.TrimPrefix(gone, s.hand.root+"/"))
		}
		return nil
	}))
	for _, e := range list {
		if e.Event.Action != string(scan.Deleted) {
			tr[strings.TrimPrefix(e.File.Path, s.hand.root+"/")] = wordOfEvent(e.File)
		}
	}
	if s.same("what waits to be accepted", tr, disk); s.t.Failed() {
		s.t.Fatalf("waits: %q", linesOf(list))
	}
}

func (s *scanning) same(what string, told, disk tree) {
	s.t.Helper()
	if !maps.Equal(told, disk) {
		s.t.Errorf("%s does not give the tree:\n%s", what, unlike(told, disk))
	}
}

// below returns the part of a tree at and below a path.
func below(tr tree, root, path string) tree {
	top := strings.TrimPrefix(path, root+"/")
	part := tree{}
	for name, word := range tr {
		if name == top || strings.HasPrefix(name, top+"/") {
			part[name] = word
		}
	}
	return part
}

func linesOf(list []*event.Event) []string {
	var lines []string
	for _, e := range list {
		lines = append(lines, e.Event.Action+" "+e.File.Path+" from "+e.HIDS.From)
	}
	return lines
}
