// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"hids/platform/fsstat"
)

// keepOpen is how many levels of the tree, counted from where the walk is,
// keep their directory open. Those above are opened again, from below, when the
// walk comes back to them.
const keepOpen = 32

// walker reads directories in order and makes batches of what is in them.
type walker[T any] struct {
	ctx    context.Context // that of one Walk
	o      *Options[T]
	p      *pool[T]
	lister *lister
	batch  *batch[T]
	stack  []*frame
	spare  []*fsstat.List
	roots  map[string]bool
}

// frame is one directory on the way from a root to where the walk is.
type frame struct {
	path     string
	dir      *directory // nil while it is not kept open
	dev, ino uint64
	list     *fsstat.List
	next     int
	tooLong  bool // said already
	linked   bool // reached by a link: what is above it is not its parent
}

// errLeft is what a walker's operation returns when it was left behind.
var errLeft = ErrHung

func newWalker[T any](ctx context.Context, o *Options[T], p *pool[T]) *walker[T] {
	w := &walker[T]{ctx: ctx, o: o, p: p, batch: newBatch[T](), lister: newLister(p.m), roots: map[string]bool{}}
	for _, r := range o.Roots {
		w.roots[r] = true
	}
	return w
}

func (w *walker[T]) run() {
	defer close(w.p.ordered)
	defer close(w.p.work)
	defer w.cleanUp()
	for _, group := range topRoots(w.o.Roots) {
		if w.orHung(group[0], w.root(group[0])) != nil || w.orHung(group[0], w.nested(group)) != nil {
			return
		}
	}
	_ = w.flush()
}

func (w *walker[T]) cleanUp() {
	for _, f := range w.stack {
		f.dir.release()
	}
	w.batch.left.Store(int32(len(w.batch.entries)) + 1) // nobody waits for it
	w.batch.discard()
	close(w.lister.requests)
}

// orHung tells of a root that hangs; the walk goes on with the next.
func (w *walker[T]) orHung(root string, err error) error {
	if errors.Is(err, errLeft) {
		return w.tell(root, Unknown, ErrHung)
	}
	return err
}

// root walks one root. The error is errLeft, or that of a cancelled
// walk.
func (w *walker[T]) root(path string) error {
	if filepath.Dir(path) == path {
		return w.openRoot(path, nil)
	}
	r, err := w.ask(nil, rootParent(path))
	if err != nil {
		return err
	}
	defer r.parent.release()
	switch {
	case r.err != nil && r.kind == fsstat.Unknown:
		return w.failed(path, r.err)
	case r.err == nil && r.kind == fsstat.Dir && w.o.Alias(path, r.real):
		// Its parent is a link to where it is walked.
		return w.tell(path, Alias, nil)
	case r.kind == fsstat.Dir:
		return w.openRoot(path, r.parent)
	}
	if err := w.add(path, filepath.Base(path), r.kind, r.parent, nil); err != nil || r.kind != fsstat.Symlink {
		return err
	}
	if w.o.Follow != nil && !w.o.Follow(path) {
		return nil
	}
	if err := w.follow(path, &r); err != nil {
		return err
	}
	return w.walk()
}

// follow steps into the directory that a root leads to through a link.
func (w *walker[T]) follow(path string, r *reply) error {
	switch {
	case r.err != nil:
		return w.failed(path, r.err)
	case r.real == "":
		return nil
	case w.o.Alias(path, r.real):
		return w.tell(path, Alias, nil)
	}
	opened, err := w.ask(nil, rootDir(path, w.skipRoot, w.list()))
	if err != nil {
		return err
	}
	depth := len(w.stack)
	err = w.enter(path, &opened)
	if len(w.stack) > depth {
		w.stack[depth].linked = true
	}
	return err
}

// link is an entry that is a root and a link: it is an item, and followed.
func (w *walker[T]) link(f *frame, path, name string) error {
	if err := w.add(path, name, fsstat.Symlink, f.dir, nil); err != nil {
		return err
	}
	r, err := w.ask(nil, resolve(path))
	if err == nil {
		err = w.follow(path, &r)
	}
	if errors.Is(err, errLeft) {
		return w.tell(path, Unknown, ErrHung)
	}
	return err
}

// skipRoot: whoever names a pseudo file system as a root gets it.
func (w *walker[T]) skipRoot(t fsstat.FSType) bool {
	return t == fsstat.FSNetwork && w.o.SkipNetwork
}

// openRoot reads the directory that is a root, and walks it. It has no parent
// if it is the root directory.
func (w *walker[T]) openRoot(path string, parent *directory) error {
	open := rootDir(path, w.skipRoot, w.list())
	if parent != nil {
		open = child(parent, noDevice, filepath.Base(path), w.skipRoot, w.list())
	}
	r, err := w.ask(parent, open)
	if err != nil {
		return err
	}
	if err := w.add(path, filepath.Base(path), fsstat.Dir, parent, r.dir); err != nil {
		r.dir.release()
		return err
	}
	if err := w.enter(path, &r); err != nil {
		return err
	}
	return w.walk()
}

// nested looks whether the roots below group[0] can be reached by walking it.
func (w *walker[T]) nested(group []string) error {
	for _, path := range group[1:] {
		r, err := w.ask(nil, resolve(path))
		if err != nil {
			return err
		}
		if r.err != nil || r.real == "" || strings.EqualFold(r.real, path) || w.o.Alias(path, r.real) {
			continue // what is wrong with it is told where it is walked
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if p, err := w.ask(nil, resolve(dir)); err != nil || (p.err == nil && strings.EqualFold(p.real, dir)) {
			if err != nil {
				return err
			}
			continue // itself a link: followed where the walk meets it
		}
		if err := w.tell(path, Fault, ErrLinked); err != nil {
			return err
		}
	}
	return nil
}

// walk goes through the stack until it is empty.
func (w *walker[T]) walk() error {
	for len(w.stack) > 0 {
		f := w.stack[len(w.stack)-1]
		if w.p.m.dead(f.dev) {
			f.next = f.list.Len()
			if err := w.tell(f.path, Unknown, ErrHung); err != nil {
				return err
			}
		}
		var err error
		if f.next == f.list.Len() {
			err = w.leave(f)
		} else {
			f.next++
			err = w.entry(f, f.next-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker[T]) entry(f *frame, i int) error {
	name := f.list.Name(i)
	if len(f.path)+1+len(name) > MaxPath {
		if f.tooLong {
			return nil
		}
		f.tooLong = true
		return w.tell(f.path, Fault, ErrTooLong)
	}
	path, kind := join(f.path, name), f.list.Kind(i)
	visit, descend := w.o.Choose(path, kind)
	switch {
	case kind == fsstat.Dir && descend:
		return w.directory(f, path, path[len(path)-len(name):], visit)
	case visit && kind == fsstat.Symlink && w.roots[path] && (w.o.Follow == nil || w.o.Follow(path)):
		return w.link(f, path, path[len(path)-len(name):])
	case visit:
		return w.add(path, path[len(path)-len(name):], kind, f.dir, nil)
	}
	return nil
}

// directory opens and reads a directory and steps into it.
func (w *walker[T]) directory(f *frame, path, name string, visit bool) error {
	r, err := w.ask(f.dir, child(f.dir, f.dev, name, w.skip, w.list()))
	switch {
	case errors.Is(err, errLeft):
		return w.tell(path, Unknown, ErrHung)
	case err != nil:
		return err
	}
	if visit {
		// An inspection finds out what it is now, if no directory any more.
		if err := w.add(path, name, fsstat.Dir, f.dir, r.dir); err != nil {
			r.dir.release()
			return err
		}
	}
	return w.enter(path, &r)
}

func (w *walker[T]) skip(t fsstat.FSType) bool {
	return t == fsstat.FSPseudo || (t == fsstat.FSNetwork && w.o.SkipNetwork)
}

// enter puts a directory that was read on the stack, or tells why not.
func (w *walker[T]) enter(path string, r *reply) error {
	var event Event
	var why error
	switch {
	case isGone(r.err):
	case r.err != nil:
		event, why = Unknown, reason(r.err)
	case r.skipped && r.fsType == fsstat.FSPseudo:
		event, why = Skipped, ErrPseudo
	case r.skipped:
		event, why = Skipped, ErrNetwork
	default:
		w.stack = append(w.stack, &frame{path: path, dir: r.dir, dev: r.dir.dev, ino: r.dir.ino, list: r.list})
		w.park()
		return nil
	}
	r.dir.release()
	w.keep(r.list)
	if why == nil {
		return nil
	}
	return w.tell(path, event, why)
}

// park closes the directory that is too far up to be kept open, unless there is
// no way back to it.
func (w *walker[T]) park() {
	if i := len(w.stack) - 1 - keepOpen; i >= 0 && !w.stack[i+1].linked {
		w.stack[i].dir.release()
		w.stack[i].dir = nil
	}
}

// leave takes f, the top, off the stack, and opens the one below it again if
// it is not open and has entries left.
func (w *walker[T]) leave(f *frame) error {
	w.stack = w.stack[:len(w.stack)-1]
	defer f.dir.release()
	w.keep(f.list)
	if len(w.stack) == 0 {
		return nil
	}
	above := w.stack[len(w.stack)-1]
	if above.dir != nil {
		return nil
	}
	r, err := w.ask(f.dir, up(f.dir, above.dev, above.ino))
	if err == nil {
		err = r.err
	}
	if err == nil {
		above.dir = r.dir
		return nil
	}
	if w.ctx.Err() != nil {
		return err
	}
	return w.strand(reason(err))
}

// strand gives up every directory that is not open: the way back is lost.
func (w *walker[T]) strand(why error) error {
	for len(w.stack) > 0 && w.stack[len(w.stack)-1].dir == nil {
		f := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if err := w.tell(f.path, Unknown, why); err != nil {
			return err
		}
	}
	return nil
}

// ask has an operation done, which needs base until it ends. The error is
// errLeft, or that of a cancelled walk.
func (w *walker[T]) ask(base *directory, ask func(*lister, *token) reply) (reply, error) {
	t, err := w.token()
	if err != nil {
		return reply{}, err
	}
	if base != nil {
		base.hold()
	}
	w.lister.requests <- request{ask, t, base}
	select {
	case r := <-w.lister.replies:
		return r, nil
	case <-w.lister.gone:
		t.giveBack()
		w.lister = newLister(w.p.m)
		return reply{err: errLeft}, errLeft
	case <-w.ctx.Done():
		return reply{}, w.ctx.Err()
	}
}

// token waits until one more directory may be open. What may hold it up is
// handed to the workers first.
func (w *walker[T]) token() (*token, error) {
	t := &token{bucket: w.p.tokens}
	select {
	case t.bucket <- struct{}{}:
		return t, nil
	default:
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	select {
	case t.bucket <- struct{}{}:
		return t, nil
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
}

// add puts a file into the batch, which holds dir and self until it has been
// inspected.
func (w *walker[T]) add(path, name string, kind fsstat.Kind, dir, self *directory) error {
	e := entry[T]{name: name}
	e.Path, e.Kind = path, kind
	if dir != nil {
		e.dir = dir.hold()
	}
	if self != nil {
		e.self = self.hold()
	}
	return w.append(e)
}

// tell puts into the batch what needs no inspection.
func (w *walker[T]) tell(path string, event Event, err error) error {
	var e entry[T]
	e.Path, e.Event, e.Err = path, event, err
	return w.append(e)
}

// failed tells that a root can't be looked at; one that does not exist is not
// told at all.
func (w *walker[T]) failed(path string, err error) error {
	if isGone(err) {
		return nil
	}
	return w.tell(path, Unknown, reason(err))
}

func (w *walker[T]) append(e entry[T]) error {
	w.batch.entries = append(w.batch.entries, e)
	if len(w.batch.entries) < batchSize {
		return nil
	}
	return w.flush()
}

func (w *walker[T]) flush() error {
	if len(w.batch.entries) == 0 {
		return nil
	}
	full := w.batch
	w.batch = newBatch[T]()
	return w.p.submit(full)
}

func (w *walker[T]) list() *fsstat.List {
	if n := len(w.spare); n > 0 {
		l := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return l
	}
	return &fsstat.List{}
}

func (w *walker[T]) keep(l *fsstat.List) {
	if l != nil && l.Small() && len(w.spare) < keepOpen {
		w.spare = append(w.spare, l)
	}
}

// isGone reports whether err means that there is no such directory any more.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || fsstat.IsNotDirectory(err)
}

// reason strips what the item tells already.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
