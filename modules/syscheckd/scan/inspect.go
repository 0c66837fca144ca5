// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"io/fs"

	"hids/config"
	"hids/modules/syscheckd/record"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

// finding is what an inspection made of one file. Without encoded and err the
// file was gone when it was looked at; with both its content could not be read.
type finding struct {
	encoded []byte
	err     error
}

// inspector makes records for one worker.
type inspector struct {
	o       *Options
	pace    pacer
	content hasher
	xattrs  []byte
	slab    []byte // see keep
	st      fsstat.Stat
	rec     record.Record
	tee     tee
}

func newInspector(o *Options, pace pacer) *inspector {
	return &inspector{o: o, pace: pace, content: newHasher(), xattrs: make([]byte, 4096)}
}

// Inspect implements fswalk.Inspector.
func (in *inspector) Inspect(ctx context.Context, t *fswalk.Task, out *finding) {
	in.pace.file(ctx, t)
	in.rec = record.Record{}
	checks := in.checks(t)
	err := in.examine(ctx, t, checks)
	if in.o.Progress != nil {
		in.o.Progress.Files.Add(1)
	}
	switch {
	case isGone(err):
		return
	case err != nil && in.rec.Type == record.Unknown:
		out.err = err
		return
	}
	out.err = err
	out.encoded = in.keep()
}

// slabSize is a page or two: some sixty records.
const slabSize = 8 << 10

// keep returns the encoded record, which stays as it is. Many share one piece of
// memory, so who holds on to one of them for long takes a copy.
func (in *inspector) keep() []byte {
	const large = 512 // most records are a quarter of it
	if cap(in.slab)-len(in.slab) < large {
		in.slab = make([]byte, 0, slabSize)
	}
	n := len(in.slab)
	b := in.rec.Append(in.slab)
	if len(b) <= cap(in.slab) {
		in.slab = b
	}
	return b[n:len(b):len(b)]
}

func (in *inspector) checks(t *fswalk.Task) config.Check {
	var d config.Directory
	if t.Kind == fsstat.Dir {
		d, _ = in.o.Rules.ForDir(t.Path)
	} else {
		d, _ = in.o.Rules.For(t.Path)
	}
	return d.Checks
}

// examine fills in.rec. With an error the record may be there all the same:
// its type says so.
func (in *inspector) examine(ctx context.Context, t *fswalk.Task, checks config.Check) error {
	switch {
	case t.Self != nil:
		if err := t.Self.Stat(&in.st); err != nil {
			return err
		}
		in.take(checks)
		if checks&config.CheckXattrs != 0 {
			in.takeXattrs(t.Self.Xattrs(in.xattrs))
		}
		return nil
	case t.Dir == nil:
		return errors.New("the root directory can't be read")
	case t.Kind == fsstat.File:
		err := in.file(ctx, t, checks)
		if !errors.Is(err, fsstat.ErrNotRegular) {
			return err
		}
	}
	return in.other(ctx, t, checks)
}

// file records what the directory says is a regular file.
func (in *inspector) file(ctx context.Context, t *fswalk.Task, checks config.Check) error {
	f, err := t.Dir.OpenFile(t.Name, &in.st)
	switch {
	case errors.Is(err, fsstat.ErrNotRegular), isGone(err):
		return err
	case err != nil:
		return in.unread(t, checks, err)
	}
	defer f.Close()
	err = in.read(ctx, t, f, checks)
	in.take(checks)
	if err != nil {
		in.rec.Marks |= record.MarkUnread
		in.rec.Has &^= record.HasSums
	}
	if checks&config.CheckXattrs != 0 {
		in.takeXattrs(f.Xattrs(in.xattrs))
	}
	return err
}

// unread records a file that can't be opened by what its name tells.
func (in *inspector) unread(t *fswalk.Task, checks config.Check, cause error) error {
	if err := t.Dir.Lstat(t.Name, &in.st); err != nil {
		return err
	}
	in.take(checks)
	if in.rec.Type == record.File {
		in.rec.Marks |= record.MarkUnread
	}
	if checks&config.CheckXattrs != 0 {
		in.takeXattrs(t.Dir.XattrsOf(t.Name, in.xattrs))
	}
	return cause
}

// other records what is no regular file, without opening it.
func (in *inspector) other(ctx context.Context, t *fswalk.Task, checks config.Check) error {
	if err := t.Dir.Lstat(t.Name, &in.st); err != nil {
		return err
	}
	if in.st.Kind == fsstat.File && t.Kind != fsstat.File {
		err := in.file(ctx, t, checks)
		if errors.Is(err, fsstat.ErrNotRegular) {
			return errors.New("changes what it is faster than it can be looked at")
		}
		return err
	}
	in.take(checks)
	if in.st.Kind == fsstat.Symlink {
		if err := in.link(ctx, t, checks); err != nil {
			return err
		}
	}
	if checks&config.CheckXattrs != 0 {
		in.takeXattrs(t.Dir.XattrsOf(t.Name, in.xattrs))
	}
	return nil
}

func (in *inspector) link(ctx context.Context, t *fswalk.Task, checks config.Check) error {
	target, err := t.Dir.Readlink(t.Name)
	if err != nil {
		return err
	}
	in.rec.Target = target
	if !in.o.HashLinkTarget || checks&config.CheckSums == 0 {
		return nil
	}
	link := in.rec
	f, err := t.Dir.OpenTarget(t.Name, &in.st)
	if err != nil {
		return nil // leads to nothing that has sums
	}
	defer f.Close()
	if in.read(ctx, t, f, checks) != nil {
		in.rec = link
		return nil
	}
	sums := in.rec
	in.rec = link
	in.rec.Marks |= record.MarkTargetSums | sums.Marks
	in.rec.Has |= sums.Has & record.HasSums
	in.rec.MD5, in.rec.SHA1, in.rec.SHA256 = sums.MD5, sums.SHA1, sums.SHA256
	return nil
}

// take copies what stat says; sums and marks stay.
func (in *inspector) take(checks config.Check) {
	r, st := &in.rec, &in.st
	r.Type = typeOf(st.Kind)
	r.Size, r.Mode, r.UID, r.GID = st.Size, st.Mode, st.UID, st.GID
	r.Mtime, r.Ctime, r.Btime = st.Mtime, st.Ctime, st.Btime
	r.Inode, r.Device, r.Rdev, r.Links = st.Inode, st.Device, st.Rdev, st.Links
	if checks&config.CheckAttrs != 0 && st.HasFlags {
		r.Has |= record.HasFlags
		r.Flags, r.FlagsMask = st.Flags&st.FlagsMask&record.KnownFlags, st.FlagsMask&record.KnownFlags
	}
}

func (in *inspector) takeXattrs(list []fsstat.Xattr, ok bool) {
	if !ok {
		return
	}
	in.rec.Has |= record.HasXattrs
	in.rec.Xattrs = nil
	for _, x := range list {
		in.rec.Xattrs = append(in.rec.Xattrs, record.Xattr(x))
	}
}

func typeOf(k fsstat.Kind) record.Type {
	switch k {
	case fsstat.File:
		return record.File
	case fsstat.Dir:
		return record.Dir
	case fsstat.Symlink:
		return record.Symlink
	case fsstat.FIFO:
		return record.FIFO
	case fsstat.Socket:
		return record.Socket
	case fsstat.CharDevice:
		return record.CharDevice
	case fsstat.BlockDevice:
		return record.BlockDevice
	}
	return record.Unknown
}

// isGone: there is no such file, or it is below what is no directory any more.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || fsstat.IsNotDirectory(err)
}
