// SPDX-License-Identifier: Apache-2.0

//go:build unix

package syscheckd

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hids/modules/event"
)

// tree is what the property is about: a word for each path, relative to the
// root, that says type, mode and content.
type tree map[string]string

// treeOf reads the tree from the disk.
func treeOf(t testing.TB, root string) tree {
	t.Helper()
	found := tree{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		word, err := wordOf(p, d)
		found[strings.TrimPrefix(p, root+"/")] = word
		return err
	}))
	return found
}

func wordOf(p string, d fs.DirEntry) (string, error) {
	info, err := d.Info()
	if err != nil {
		return "", err
	}
	mode := fmt.Sprintf("%04o", info.Mode().Perm())
	switch d.Type() {
	case fs.ModeDir:
		return "dir " + mode, nil
	case fs.ModeSymlink:
		target, err := os.Readlink(p)
		return "symlink " + target, err
	}
	content, err := os.ReadFile(p)
	return fmt.Sprintf("file %s %x", mode, sha256.Sum256(content)), err
}

// apply does to a tree what an event says, and refuses what can't be.
func (tr tree) apply(t testing.TB, root string, e *event.Event) {
	t.Helper()
	name := strings.TrimPrefix(e.File.Path, root+"/")
	_, known := tr[name]
	switch e.Event.Action {
	case "deleted":
		if !known {
			t.Errorf("deleted, but never there: %s", name)
		}
		delete(tr, name)
		return
	case "moved":
		from := strings.TrimPrefix(e.HIDS.From, root+"/")
		if _, ok := tr[from]; !ok || known {
			t.Errorf("moved to %s (there: %v) from %s (there: %v)", name, known, from, ok)
		}
		delete(tr, from)
	case "created":
		if known {
			t.Errorf("created, but there already: %s", name)
		}
	default:
		if !known {
			t.Errorf("%s, but never there: %s", e.Event.Action, name)
		}
	}
	tr[name] = wordOfEvent(e.File)
}

func wordOfEvent(f *event.File) string {
	switch f.Type {
	case "dir":
		return "dir " + f.Mode
	case "symlink":
		return "symlink " + f.TargetPath
	}
	sum := ""
	if f.Hash != nil {
		sum = f.Hash.SHA256
	}
	return "file " + f.Mode + " " + sum
}

// hand changes a tree at random. Every content it writes is a new one, so that
// no two states of a file are taken for each other.
type hand struct {
	*rand.Rand
	t      *testing.T
	root   string
	writes int
}

// pick returns a random name: few of them, so that they meet.
func (h *hand) pick() string {
	depth, name := 1+h.IntN(3), ""
	for range depth {
		name = filepath.Join(name, string(rune('a'+h.IntN(4))))
	}
	return filepath.Join(h.root, name)
}

func (h *hand) content() []byte {
	h.writes++
	return []byte(strconv.Itoa(h.writes) + strings.Repeat("x", h.IntN(5000)))
}

// target is where a new link leads: nowhere, out of the tree, or about in it.
func (h *hand) target() string {
	switch h.IntN(3) {
	case 0:
		h.writes++
		return strconv.Itoa(h.writes)
	case 1:
		return filepath.Join(filepath.Dir(h.root), "outside")
	}
	return h.pick()
}

// act does one thing. Most that can fail do so now and then, which changes
// nothing.
func (h *hand) act() {
	p := h.pick()
	switch h.IntN(12) {
	case 0, 1, 2:
		os.MkdirAll(filepath.Dir(p), 0o755)
		os.WriteFile(p, h.content(), 0o644)
	case 3:
		if f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0); err == nil {
			f.Write(h.content())
			f.Close()
		}
	case 4:
		os.Chmod(p, fs.FileMode(0o700|h.IntN(0o100)))
	case 5, 6:
		os.Rename(p, h.pick())
	case 7:
		os.Remove(p)
	case 8:
		os.MkdirAll(p, 0o755)
	case 9:
		os.RemoveAll(p)
	case 10:
		os.Symlink(h.target(), p)
	case 11:
		tmp := filepath.Join(h.root, "tmp")
		os.WriteFile(tmp, h.content(), 0o600)
		if os.Rename(tmp, p) != nil {
			os.Remove(tmp)
		}
	}
}

func (h *hand) acts(n int) {
	for range n {
		h.act()
	}
}

// rest waits until everything that has happened so far has been looked at. The
// kernel tells in order: once the daemon tells of the mark, all before it is at
// least known to be due; then it waits for the looks.
func (r *rig) rest(mark string) {
	r.t.Helper()
	must(r.t, os.WriteFile(r.path(mark), []byte(mark), 0o600))
	deadline := time.Now().Add(patience)
	for idle := 0; idle < 2; {
		r.settled()
		r.daemon.feed.mu.Lock()
		waiting := r.daemon.feed.pending.Len()
		r.daemon.feed.mu.Unlock()
		if waiting == 0 && r.told(mark) {
			idle++
			continue
		}
		idle = 0
		if time.Now().After(deadline) {
			r.t.Fatalf("not at rest: %d looks wait, mark told: %v", waiting, r.told(mark))
		}
		time.Sleep(time.Millisecond)
	}
}

// told tells whether there was an event of a path.
func (r *rig) told(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.events, func(e *event.Event) bool { return e.File.Path == r.path(name) })
}

// agree applies what was told to a tree and demands that it is the one on disk,
// and that a scan of everything finds nothing to add.
func (r *rig) agree(tr tree, when string) {
	r.t.Helper()
	r.mu.Lock()
	for _, e := range r.events {
		tr.apply(r.t, r.tree, e)
	}
	told := r.lines()
	r.events = nil
	r.mu.Unlock()
	if disk := treeOf(r.t, r.tree); !maps.Equal(tr, disk) {
		r.t.Errorf("%s: what was told does not give the tree:\n%s\ntold: %q", when, unlike(tr, disk), told)
	}
	r.quiet()
}

func unlike(told, disk tree) string {
	var lines []string
	for name, word := range told {
		if disk[name] != word {
			lines = append(lines, fmt.Sprintf("%s: told %q, is %q", name, word, disk[name]))
		}
	}
	for name, word := range disk {
		if _, ok := told[name]; !ok {
			lines = append(lines, fmt.Sprintf("%s: not told, is %q", name, word))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestRealtimeAndScanAgree does random things to a tree that is watched, at
// rest and while it is scanned. What is told makes the old tree the new one, and
// a scan finds nothing that was not told. HIDS_SEED repeats one sequence,
// HIDS_SEQUENCES makes more of them.
func TestRealtimeAndScanAgree(t *testing.T) {
	first, n := rand.Uint64()>>1, 1_000_000
	budget := time.After(8 * time.Second)
	if s := os.Getenv("HIDS_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		must(t, err)
		first, n = seed, 1
	} else if s := os.Getenv("HIDS_SEQUENCES"); s != "" {
		many, err := strconv.Atoi(s)
		must(t, err)
		n, budget = many, nil
	}
	for i := range n {
		select {
		case <-budget:
			t.Logf("%d sequences", i)
			return
		default:
		}
		seed := first + uint64(i)
		if !t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { sequence(t, seed) }) {
			return
		}
	}
}

func sequence(t *testing.T, seed uint64) {
	r := newRig(t)
	must(t, os.MkdirAll(filepath.Join(r.home, "outside", "a", "b"), 0o755))
	h := &hand{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, root: r.tree}
	h.acts(20)
	tr := treeOf(t, r.tree)
	r.start()
	for _, round := range []string{"at rest", "again"} {
		h.acts(1 + h.IntN(25))
		r.rest("mark, " + round)
		r.agree(tr, round)
	}
	scanned := make(chan error, 1)
	go func() {
		scanned <- r.daemon.ask(context.Background(), r.daemon.long, func(ctx context.Context) error {
			return r.daemon.scanAll(ctx, "scheduled")
		})
	}()
	h.acts(1 + h.IntN(40))
	must(t, <-scanned)
	r.rest("mark, during a scan")
	r.agree(tr, "during a scan")
}
