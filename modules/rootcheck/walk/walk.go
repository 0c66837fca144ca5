// SPDX-License-Identifier: Apache-2.0

// Package walk goes through the file system of a host once, for every check
// that wants to see all of it. It lists each folder once and looks at each
// entry once; what that means is for the visitors to say. A folder that nobody
// wants is not opened.
package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"hids/platform/hostfile"
)

// Limits of a walk: whoever plants folders must not exhaust us.
const (
	// Each level keeps a descriptor open, so that no rename can lead the walk
	// astray.
	maxDepth = 400

	maxWaiting = 64 << 20 // bytes that folders take which are to be looked into

	// MaxPath is how long the path of a folder may be, in bytes: no system call
	// takes a longer one (PATH_MAX). Folders can be nested deeper than that one by
	// one, and the names of what is in them would fill our memory.
	MaxPath = 4096
)

// Why a walk does not go into a folder.
var (
	errDepth   = fmt.Errorf("deeper than %d folders", maxDepth)
	errPath    = fmt.Errorf("path is longer than %d bytes", MaxPath)
	errWaiting = errors.New("too many folders in folders")
)

// Visitor asks its question of what the walk comes by. Its methods are called
// from one goroutine.
type Visitor interface {
	// Roots lists where the visitor wants the walk to begin.
	Roots() []string

	// Wants reports whether the folder is of interest; it is asked before the
	// folder is touched. up is what Enter returned for the folder that it is
	// in, nil if the visitor did not enter that one.
	Wants(full string, up State) bool

	// Enter is called with the open folder and returns what the visitor wants
	// to remember of it, or nil if it does not want to know what is in it.
	Enter(f *Folder, up State) State

	// Entry is called for everything in a folder that the visitor entered.
	Entry(f *Folder, e *Entry, st State)

	// Leave is called when the folder has been listed, before those in it.
	Leave(f *Folder, st State)

	// Fault says that something that the visitor wants can't be looked at.
	Fault(op string, err error)

	// Finish is called after the walk, with the error of its context.
	Finish(err error) error
}

// State is what a visitor remembers of a folder.
type State any

// Folder is an open folder.
type Folder struct {
	Dir    *hostfile.Dir
	Path   string // absolute, as the host sees it
	Name   string // in Up
	Self   hostfile.Info
	FSType hostfile.FSType
	Up     *Folder // nil where a walk begins
	Nlink  uint64  // what the path told, before it was opened; 0 where a walk begins
}

// OnMount reports whether another file system begins here.
func (f *Folder) OnMount() bool { return f.Up != nil && f.Up.Self.Dev != f.Self.Dev }

// Entry is one name of a folder, and what statx(2) says of it.
type Entry struct {
	hostfile.Entry
	Info hostfile.Info
	Attr hostfile.Attr
	Err  error
}

// Text is the name as a string.
func (e *Entry) Text() string { return string(e.Name()) }

type walker struct {
	ctx      context.Context
	files    *hostfile.FS
	reader   *hostfile.Reader
	visitors []Visitor
	reached  []map[string]bool // roots of each visitor that it was asked about
	stops    [][]stop          // for each visitor
	waiting  int               // bytes, see maxWaiting
}

// stop is a limit that the walk came to: the first place, and how many.
type stop struct {
	why   error
	first string
	n     int
}

// Walk goes through the host for all visitors, and finishes them. A root that
// lies in what another visitor walks is met on the way; one that is not there
// is no fault.
func Walk(ctx context.Context, files *hostfile.FS, visitors []Visitor) []error {
	w := &walker{
		ctx: ctx, files: files, reader: hostfile.NewReader(), visitors: visitors,
		reached: make([]map[string]bool, len(visitors)), stops: make([][]stop, len(visitors)),
	}
	var begin []string
	for i, v := range visitors {
		w.reached[i] = make(map[string]bool)
		begin = append(begin, v.Roots()...)
	}
	// The shortest first: it may hold the others.
	slices.SortStableFunc(begin, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	for _, root := range begin {
		w.start(root)
	}
	errs := make([]error, len(visitors))
	for i, v := range visitors {
		w.tellStops(i)
		errs[i] = v.Finish(ctx.Err())
	}
	return errs
}

// start walks from a root, for the visitors that have it and have not met it.
func (w *walker) start(root string) {
	interested := make([]bool, len(w.visitors))
	for i, v := range w.visitors {
		interested[i] = !w.reached[i][root] && slices.Contains(v.Roots(), root) && v.Wants(root, nil)
		w.reached[i][root] = true
	}
	if !slices.Contains(interested, true) {
		return
	}
	d, err := w.files.OpenDir(root, root == "/")
	if hostfile.Gone(err) {
		return // not there, or a link: /bin on a merged /usr
	}
	if err != nil {
		w.fault(interested, "look into "+root, err)
		return
	}
	w.folder(&Folder{Dir: d, Path: root}, interested, make([]State, len(w.visitors)), 0)
}

// fault tells those who are interested. What is gone is no fault.
func (w *walker) fault(interested []bool, op string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	for i, v := range w.visitors {
		if interested[i] {
			v.Fault(op, err)
		}
	}
}

// stop notes that a folder is not gone into. Whoever plants folders can plant
// many, so they are one fault.
func (w *walker) stop(interested []bool, full string, why error) {
	for i := range w.visitors {
		if !interested[i] {
			continue
		}
		at := slices.IndexFunc(w.stops[i], func(s stop) bool { return errors.Is(s.why, why) })
		if at < 0 {
			at = len(w.stops[i])
			w.stops[i] = append(w.stops[i], stop{why: why, first: full})
		}
		w.stops[i][at].n++
	}
}

func (w *walker) tellStops(visitor int) {
	for _, s := range w.stops[visitor] {
		err := s.why
		if s.n > 1 {
			err = fmt.Errorf("%w (and %d more folders)", err, s.n-1)
		}
		w.visitors[visitor].Fault("look into "+s.first, err)
	}
}

// folder looks at an open folder, then at those in it, and closes it.
func (w *walker) folder(f *Folder, interested []bool, above []State, depth int) {
	defer f.Dir.Close()
	if err := w.identify(f); err != nil {
		w.fault(interested, "look into "+f.Path, err)
		return
	}
	states := make([]State, len(w.visitors))
	wanted := false
	for i, v := range w.visitors {
		if interested[i] {
			states[i] = v.Enter(f, above[i])
			wanted = wanted || states[i] != nil
		}
	}
	if !wanted {
		return
	}
	before := w.waiting
	folders := w.list(f, states)
	defer func() { w.waiting = before }()
	for i, v := range w.visitors {
		if states[i] != nil {
			v.Leave(f, states[i])
		}
	}
	if f.Path == "/" {
		slices.SortStableFunc(folders, func(a, b subfolder) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	}
	for _, sub := range folders {
		if w.ctx.Err() != nil {
			return
		}
		w.descend(f, sub, states, depth+1)
	}
}

// identify asks for the file system only where another one begins.
func (w *walker) identify(f *Folder) (err error) {
	if f.Self, err = f.Dir.Info(); err != nil {
		return err
	}
	if f.Up != nil && !f.OnMount() {
		f.FSType = f.Up.FSType
		return nil
	}
	f.FSType, err = f.Dir.FSType()
	return err
}

// subfolder is a folder to look into.
type subfolder struct {
	name  string
	nlink uint64
	mount bool // another file system begins there
}

// size is about what a folder takes that waits.
func (s subfolder) size() int { return len(s.name) + 64 }

// rank puts the system's folders before those with people's data.
func rank(name string) int {
	if i := slices.Index([]string{"dev", "etc", "bin", "sbin", "lib", "lib64", "usr", "boot", "run", "root", "tmp", "opt", "var"}, name); i >= 0 {
		return i
	}
	return 1000
}

// list tells the visitors of every entry and returns the folders among them.
func (w *walker) list(f *Folder, states []State) []subfolder {
	var folders []subfolder
	var e Entry
	err := w.reader.Each(f.Dir, func(entry hostfile.Entry) {
		if w.ctx.Err() != nil {
			return
		}
		e = Entry{Entry: entry}
		e.Info, e.Attr, e.Err = entry.Statx()
		if e.Err == nil && e.Info.IsDir() && !e.Attr.Automount {
			folders = w.wait(folders, f, subfolder{e.Text(), e.Info.Nlink, e.Info.Dev != f.Self.Dev}, states)
		}
		failed := e.Err != nil && !hostfile.Gone(e.Err)
		for i, v := range w.visitors {
			if states[i] == nil {
				continue
			}
			if v.Entry(f, &e, states[i]); failed {
				v.Fault("look at "+path.Join(f.Path, e.Text()), e.Err)
			}
		}
	})
	if err != nil {
		w.fault(present(states), "list "+f.Path, err)
	}
	return folders
}

// wait adds a folder that is to be looked into to the others.
func (w *walker) wait(folders []subfolder, f *Folder, sub subfolder, states []State) []subfolder {
	if w.waiting+sub.size() > maxWaiting {
		w.stop(present(states), path.Join(f.Path, sub.name), errWaiting)
		return folders
	}
	w.waiting += sub.size()
	return append(folders, sub)
}

func present(states []State) []bool {
	list := make([]bool, len(states))
	for i := range states {
		list[i] = states[i] != nil
	}
	return list
}

// descend goes into a folder that somebody wants to see.
func (w *walker) descend(f *Folder, sub subfolder, states []State, depth int) {
	full := path.Join(f.Path, sub.name)
	interested := make([]bool, len(w.visitors))
	for i, v := range w.visitors {
		interested[i] = v.Wants(full, states[i])
		if interested[i] && states[i] == nil {
			w.reached[i][full] = true
		}
	}
	switch {
	case !slices.Contains(interested, true):
		return
	case depth > maxDepth:
		w.stop(interested, full, errDepth)
		return
	case len(full) > MaxPath:
		w.stop(interested, full, errPath)
		return
	case sub.mount && f.Dir.Automount(sub.name):
		return // to open it would mount something
	}
	d, err := f.Dir.OpenDir(sub.name)
	if err != nil {
		if !hostfile.Gone(err) {
			w.fault(interested, "look into "+full, err)
		}
		return
	}
	w.folder(&Folder{Dir: d, Path: full, Name: sub.name, Up: f, Nlink: sub.nlink}, interested, states, depth)
}
