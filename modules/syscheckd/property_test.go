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
	"sync"
	"syscall"
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
	st := info.Sys().(*syscall.Stat_t)
	word := fmt.Sprintf("%s %04o %d:%d", kindOf(d.Type()), st.Mode&0o7777, st.Uid, st.Gid)
	switch d.Type() {
	case 0:
		content, err := os.ReadFile(p)
		return fmt.Sprintf("%s %x", word, sha256.Sum256(content)), err
	case fs.ModeSymlink:
		target, err := os.Readlink(p)
		return word + " " + target, err
	}
	return word, nil
}

func kindOf(mode fs.FileMode) string {
	switch mode {
	case 0:
		return "file"
	case fs.ModeDir:
		return "dir"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "char_device"
	}
	return mode.String()
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
	word := fmt.Sprintf("%s %s %s:%s", f.Type, f.Mode, f.UID, f.GID)
	switch {
	case f.Type == "symlink":
		return word + " " + f.TargetPath
	case f.Hash != nil:
		return word + " " + f.Hash.SHA256
	}
	return word
}

// hand changes a tree at random. Every content it writes is a new one, so that
// no two states of a file are taken for each other.
type hand struct {
	*rand.Rand
	root    string // what is below it changes
	outside string // a folder that nobody watches
	writes  int
	// altered has the files of several names that were altered since the last
	// rest. None of these names is removed: who is told of a name that is gone
	// by then can't know what other names are concerned. Nil: that is no matter.
	altered map[uint64]bool
}

// pick returns a random name: few of them, so that they meet.
func (h *hand) pick() string {
	depth, name := 1+h.IntN(3), ""
	for range depth {
		name = filepath.Join(name, string(rune('a'+h.IntN(4))))
	}
	return filepath.Join(h.root, name)
}

// away is a random name where nobody watches.
func (h *hand) away() string { return filepath.Join(h.outside, string(rune('a'+h.IntN(4)))) }

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
		return h.outside
	}
	return h.pick()
}

// act does one thing. Most that can fail do so now and then, which changes
// nothing.
func (h *hand) act() {
	p := h.pick()
	switch n := h.IntN(30); {
	case n < 6:
		h.create(p)
	case n < 12:
		h.alter(p)
	case n < 20:
		h.rename(p)
	case n < 24:
		h.remove(p)
	default:
		h.make(p)
	}
}

// create writes a file, in place or by way of a temporary one.
func (h *hand) create(p string) {
	if h.IntN(3) > 0 {
		os.MkdirAll(filepath.Dir(p), 0o755)
		h.write(p, os.O_CREATE|os.O_TRUNC)
		return
	}
	tmp := filepath.Join(h.root, "tmp")
	os.WriteFile(tmp, h.content(), 0o600)
	if h.owes(p) || os.Rename(tmp, p) != nil {
		os.Remove(tmp)
	}
}

// alter changes what is there.
func (h *hand) alter(p string) {
	switch h.IntN(4) {
	case 0:
		h.write(p, os.O_APPEND)
	case 1:
		os.Truncate(p, int64(h.IntN(3000)))
	case 2:
		os.Chmod(p, fs.FileMode(0o700|h.IntN(0o100)))
	case 3:
		os.Lchown(p, h.IntN(3), h.IntN(3)) // refused to all but root
	}
	h.note(p)
}

// note remembers a file of several names that was altered.
func (h *hand) note(p string) {
	if info, err := os.Stat(p); err == nil && !info.IsDir() && h.altered != nil {
		if st := info.Sys().(*syscall.Stat_t); st.Nlink > 1 {
			h.altered[st.Ino] = true
		}
	}
}

// owes tells whether a path must not be removed.
func (h *hand) owes(p string) bool {
	return h.several(p, func(st *syscall.Stat_t) bool { return h.altered[st.Ino] })
}

func (h *hand) rename(p string) {
	switch h.IntN(8) {
	case 0:
		h.move(p, h.away())
	case 1:
		if !h.owes(p) {
			os.Rename(h.away(), p)
		}
	case 2:
		if q := h.pick(); h.within(p) == h.within(q) || !h.linked(p) && !h.linked(q) {
			exchange(p, q)
		}
	default:
		h.move(p, h.pick())
	}
}

// move renames, but takes no file out of the tree of which another name stays:
// nobody could tell of what is done to it by way of the name outside.
func (h *hand) move(p, q string) {
	if !h.owes(q) && (h.within(q) || !h.linked(p)) {
		os.Rename(p, q)
	}
}

// within tells whether a path, links followed, is in the tree.
func (h *hand) within(p string) bool {
	dir, err := filepath.EvalSymlinks(filepath.Dir(p))
	return err == nil && (dir == h.root || strings.HasPrefix(dir, h.root+"/"))
}

// linked tells whether there is a file of several names at or below a path.
func (h *hand) linked(p string) bool {
	return h.several(p, func(*syscall.Stat_t) bool { return true })
}

// several tells whether there is such a file that has a property.
func (h *hand) several(p string, which func(*syscall.Stat_t) bool) bool {
	found := false
	filepath.WalkDir(p, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			st := info.Sys().(*syscall.Stat_t)
			found = found || st.Nlink > 1 && which(st)
		}
		return nil
	})
	return found
}

func (h *hand) remove(p string) {
	if h.owes(p) {
		return
	}
	switch h.IntN(3) {
	case 0:
		os.Remove(p)
	case 1:
		removeAll(p)
	case 2: // and another is there at once
		removeAll(p)
		h.make(p)
	}
}

// removeAll leaves out what os.RemoveAll waits for: that a FIFO is a folder.
func removeAll(p string) {
	if info, err := os.Stat(filepath.Dir(p)); err == nil && info.IsDir() {
		os.RemoveAll(p)
	}
}

// make makes what there was not.
func (h *hand) make(p string) {
	switch h.IntN(6) {
	case 0:
		os.MkdirAll(p, 0o755)
	case 1:
		os.Symlink(h.target(), p)
	case 2:
		if q := h.pick(); h.within(p) && h.within(q) {
			os.Link(q, p)
		}
	case 3:
		for range 1 + h.IntN(5) {
			p = filepath.Join(p, string(rune('a'+h.IntN(4))))
			os.MkdirAll(p, 0o755)
			os.WriteFile(filepath.Join(p, "f"), h.content(), 0o644)
		}
	case 4:
		special(p, h.IntN(3))
	default:
		h.write(p, os.O_CREATE|os.O_EXCL)
	}
}

// write does not wait for who reads a FIFO.
func (h *hand) write(p string, how int) {
	if f, err := os.OpenFile(p, os.O_WRONLY|syscall.O_NONBLOCK|how, 0o644); err == nil {
		f.Write(h.content())
		f.Close()
	}
	h.note(p)
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
	must(r.t, os.Symlink("a link is made in one step", r.path(mark)))
	deadline := time.Now().Add(patience)
	for idle := 0; idle < 2; {
		r.settled()
		r.daemon.feed.mu.Lock()
		waiting := r.daemon.feed.pending.Len()
		r.daemon.feed.mu.Unlock()
		if waiting == 0 && !r.daemon.names.waiting.Load() && r.told(mark) {
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
	if r.t.Failed() {
		r.t.FailNow()
	}
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

// TestRealtimeAndScanAgree does random things to trees that are watched, at
// rest and while they are scanned. What is told makes the old tree the new one,
// and a scan finds nothing that was not told.
func TestRealtimeAndScanAgree(t *testing.T) {
	seeds := newSeeds(t, 1000)
	var wg sync.WaitGroup
	for i := range seeds.together(8) {
		wg.Go(func() {
			for seeds.more() {
				t.Run("daemon", func(t *testing.T) { life(t, seeds, places()[int(i)%len(places())]) })
			}
		})
	}
	wg.Wait()
}

// sequencesOfDaemon is how many sequences one daemon sees.
const sequencesOfDaemon = 25

// life is what one daemon sees: one tree after the other.
func life(t *testing.T, seeds *seeds, place string) {
	r := newRigAt(t, place)
	outside := filepath.Join(r.home, "outside")
	must(t, os.MkdirAll(filepath.Join(outside, "a", "b"), 0o755))
	r.start()
	tr := tree{}
	for range sequencesOfDaemon {
		seed, ok := seeds.next()
		if !ok || t.Failed() {
			return
		}
		h := &hand{
			Rand: rand.New(rand.NewPCG(seed, 0)), root: r.path("s" + strconv.FormatUint(seed, 10)),
			outside: outside, altered: map[uint64]bool{},
		}
		seeds.run(t, seed, func(st *testing.T) {
			r.t = st
			defer func() { r.t = t }()
			r.sequence(tr, h)
		})
	}
}

// sequence makes a tree, changes it and takes it away.
func (r *rig) sequence(tr tree, h *hand) {
	r.log.reset()
	must(r.t, os.Mkdir(h.root, 0o755))
	h.acts(20)
	for _, round := range []string{"new", "at rest", "again"} {
		h.agree(r, tr, round)
		h.acts(1 + h.IntN(25))
	}
	h.agree(r, tr, "once more")
	scanned := make(chan error, 1)
	go func() {
		scanned <- r.daemon.ask(context.Background(), r.daemon.long, func(ctx context.Context) error {
			return r.daemon.scanAll(ctx, "scheduled")
		})
	}()
	h.acts(1 + h.IntN(40))
	must(r.t, <-scanned)
	h.agree(r, tr, "during a scan")
	must(r.t, os.RemoveAll(h.root))
	r.rest(filepath.Base(h.root) + " is over")
	r.agree(tr, "removed")
}

// agree waits for rest and compares.
func (h *hand) agree(r *rig, tr tree, when string) {
	r.t.Helper()
	r.rest(h.mark())
	r.agree(tr, when)
	clear(h.altered)
}

// mark is a new name, not one of those that the hand uses.
func (h *hand) mark() string {
	h.writes++
	return filepath.Join(filepath.Base(h.root), "mark"+strconv.Itoa(h.writes))
}
