// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"errors"
	"io/fs"
	"path/filepath"

	"hids/platform/fsstat"
)

// request is an operation that the walker has done by a lister, because it may
// hang. ask is run by the lister's goroutine, and takes the token over.
type request struct {
	ask   func(*lister, *token) reply
	token *token
	base  *directory // released once it is done; may be nil
}

// reply is what came of a request. The directory has one reference, the
// receiver's.
type reply struct {
	dir     *directory
	list    *fsstat.List
	fsType  fsstat.FSType
	skipped bool // not listed, for its fsType
	kind    fsstat.Kind
	parent  *directory
	real    string
	err     error
}

func (r *reply) release() {
	r.dir.release()
	r.parent.release()
}

// lister opens and reads directories for the walker.
type lister struct {
	requests chan request
	replies  chan reply
	gone     chan struct{} // closed when it was left behind
	slot     *slot
}

func newLister(m *monitor) *lister {
	l := &lister{
		requests: make(chan request, 1), replies: make(chan reply, 1),
		gone: make(chan struct{}),
	}
	l.slot = m.newSlot(func() { close(l.gone) })
	m.wg.Add(1)
	go l.run(m)
	return l
}

func (l *lister) run(m *monitor) {
	for q := range l.requests {
		l.slot.begin(0)
		r := q.ask(l, q.token)
		q.base.release()
		if !l.slot.end() {
			r.release()
			return
		}
		l.replies <- r
	}
	select {
	case r := <-l.replies: // the walker was cancelled and never took it
		r.release()
	default:
	}
	m.remove(l.slot)
	m.wg.Done()
}

// adopt makes an open directory one that can be shared, and examines it. It
// takes the token over in any case.
func (l *lister) adopt(t *token, open func() (*fsstat.Directory, error)) (*directory, error) {
	d, err := open()
	dir := &directory{Directory: d, token: t}
	if err != nil {
		t.giveBack()
		return nil, err
	}
	dir.refs.Store(1)
	var st fsstat.Stat
	if err := d.Stat(&st); err != nil {
		dir.release()
		return nil, err
	}
	dir.dev, dir.ino = st.Device, st.Inode
	l.slot.on(st.Device)
	return dir, nil
}

// read lists dir into list and finds out about its file system, where that is
// another than its parent's.
func (l *lister) read(dir *directory, parentDev uint64, skip func(fsstat.FSType) bool, list *fsstat.List) (r reply) {
	r.dir, r.list, r.kind = dir, list, fsstat.Dir
	if dir.dev != parentDev {
		if r.fsType, r.err = dir.FSType(); r.err != nil {
			return r
		}
		if r.skipped = skip(r.fsType); r.skipped {
			return r
		}
	}
	r.err = dir.Read(list, l.slot.beat)
	return r
}

// noDevice is the number of no device: what is compared with it is elsewhere.
const noDevice = ^uint64(0)

// child opens and lists the directory called name in parent. What kind of file
// system it is on is found out unless it is parentDev.
func child(parent *directory, parentDev uint64, name string, skip func(fsstat.FSType) bool, list *fsstat.List) func(*lister, *token) reply {
	return func(l *lister, t *token) reply {
		var n fsstat.Name
		n.Set(name)
		dir, err := l.adopt(t, func() (*fsstat.Directory, error) { return parent.OpenDirectory(&n) })
		if err != nil {
			return reply{list: list, err: err}
		}
		return l.read(dir, parentDev, skip, list)
	}
}

// up opens the directory above dir, which was dev and ino when it was left.
func up(below *directory, dev, ino uint64) func(*lister, *token) reply {
	return func(l *lister, t *token) reply {
		dir, err := l.adopt(t, func() (*fsstat.Directory, error) { return below.Parent() })
		if err == nil && (dir.dev != dev || dir.ino != ino) {
			dir.release()
			return reply{err: errors.New("moved while it was read")}
		}
		return reply{dir: dir, err: err}
	}
}

// rootParent opens what holds a root, and says what the root is. A root that
// is a link to a directory is resolved.
func rootParent(path string) func(*lister, *token) reply {
	return func(l *lister, t *token) (r reply) {
		r.parent, r.err = l.adopt(t, func() (*fsstat.Directory, error) { return fsstat.OpenDirectory(filepath.Dir(path)) })
		if r.err != nil {
			return r
		}
		var name fsstat.Name
		name.Set(filepath.Base(path))
		var st fsstat.Stat
		if r.err = r.parent.Lstat(&name, &st); r.err != nil {
			return r
		}
		r.kind = st.Kind
		if r.kind == fsstat.Symlink || r.kind == fsstat.Dir {
			r.real, r.err = realPath(path)
		}
		if r.kind == fsstat.Symlink && errors.Is(r.err, fs.ErrNotExist) {
			r.real, r.err = "", nil // a link that leads nowhere is a file like others
		}
		return r
	}
}

// rootDir opens and lists a root by its path, links followed.
func rootDir(path string, skip func(fsstat.FSType) bool, list *fsstat.List) func(*lister, *token) reply {
	return func(l *lister, t *token) reply {
		dir, err := l.adopt(t, func() (*fsstat.Directory, error) { return fsstat.OpenDirectory(path) })
		if err != nil {
			return reply{list: list, err: err}
		}
		return l.read(dir, noDevice, skip, list)
	}
}

// realPath is path with all links followed, with the separators of a walk.
func realPath(path string) (string, error) {
	p, err := filepath.EvalSymlinks(path)
	return filepath.ToSlash(p), err
}

// resolve finds the real path of a root.
func resolve(path string) func(*lister, *token) reply {
	return func(_ *lister, t *token) (r reply) {
		defer t.giveBack()
		r.real, r.err = realPath(path)
		if errors.Is(r.err, fs.ErrNotExist) {
			r.real, r.err = "", nil // leads nowhere
		}
		return r
	}
}
