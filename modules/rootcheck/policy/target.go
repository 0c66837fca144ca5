// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"hids/platform/hostfile"
)

// Host is the Target that reads a real host, or an image of one.
type Host struct {
	FS      *hostfile.FS
	SkipNFS bool // do not go down into network file systems

	// Leave reports whether a folder is not to be touched, because somebody's
	// program that may not answer makes it up; nil: every one may be.
	Leave func(path string) bool

	// Procs lists the names of processes, Reg looks into the registry; nil
	// means that there is no such thing.
	Procs func() ([]string, error)
	Reg   func(key, value string, data func(string) bool) (bool, error)
}

// Exists implements Target.
func (h *Host) Exists(path string) bool { return h.FS.Exists(path) }

// Open implements Target.
func (h *Host) Open(path string) (io.ReadCloser, error) {
	f, info, err := h.FS.Open(path)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, hostfile.ErrNotRegular) && info.IsDir():
		return nil, ErrFolder
	case errors.Is(err, hostfile.ErrNotRegular), !h.FS.Exists(path):
		return nil, fs.ErrNotExist
	}
	return nil, err
}

// Processes implements Target.
func (h *Host) Processes() ([]string, error) {
	if h.Procs == nil {
		return nil, errors.ErrUnsupported
	}
	return h.Procs()
}

// Registry implements Target.
func (h *Host) Registry(key, value string, data func(string) bool) (bool, error) {
	if h.Reg == nil {
		return false, errors.ErrUnsupported
	}
	return h.Reg(key, value, data)
}

// Limits of one walk.
const (
	maxDepth   = 256
	maxPath    = 4096 // bytes, PATH_MAX of Linux: longer ones can't be opened
	maxEntries = 2_000_000
	nameChunk  = 4096
)

// Walk implements Target. It stays out of procfs and its like, and of network
// file systems if SkipNFS.
func (h *Host) Walk(ctx context.Context, dir string, fn func(path, base string)) error {
	if h.Leave != nil && h.Leave(path.Clean(dir)) {
		return nil
	}
	d, err := h.FS.OpenDir(dir, true)
	if err != nil {
		if info, statErr := h.FS.Stat(dir); statErr != nil || !info.IsDir() {
			return nil
		}
		return err
	}
	w := walk{ctx: ctx, fn: fn, skipNFS: h.SkipNFS, leave: h.Leave}
	if err := w.dir(d, dir, 0); err != nil {
		return err
	}
	return w.stopped
}

type walk struct {
	ctx     context.Context
	fn      func(path, base string)
	skipNFS bool
	leave   func(path string) bool // may be nil
	entries int
	stopped error // of the first thing that was not looked at
}

// dir visits an open folder and closes it. Folders that can't be opened below
// it are left out: they are as invisible to the policy as in OSSEC.
func (w *walk) dir(d *hostfile.Dir, dir string, depth int) error {
	defer d.Close()
	if t, err := d.FSType(); err != nil || t.Synthetic() || w.skipNFS && t.Network() {
		return err
	}
	for {
		names, err := d.Names(nameChunk)
		slices.Sort(names)
		for _, name := range names {
			if err := w.entry(d, path.Join(dir, name), name, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, err)
		}
	}
}

func (w *walk) entry(d *hostfile.Dir, full, name string, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.entries++; w.entries > maxEntries {
		return fmt.Errorf("more than %d files; name a smaller folder", maxEntries)
	}
	info, err := d.Lstat(name)
	if err != nil {
		return nil
	}
	if len(full) >= maxPath {
		w.stop(full)
		return nil
	}
	w.fn(full, name)
	if !info.IsDir() || w.leave != nil && w.leave(full) {
		return nil
	}
	if depth == maxDepth {
		w.stop(full)
		return nil
	}
	sub, err := d.OpenDir(name)
	if err != nil {
		return nil
	}
	return w.dir(sub, full, depth+1)
}

// stop notes that something is not looked at. Whoever plants it must not keep us
// from what is behind it.
func (w *walk) stop(full string) {
	if w.stopped == nil {
		w.stopped = fmt.Errorf("look into %s: deeper than %d folders or %d bytes", full, maxDepth, maxPath)
	}
}
