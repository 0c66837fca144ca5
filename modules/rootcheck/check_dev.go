// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
)

// dev reports regular files in /dev, where nothing but device nodes belongs.
func (o *ossec) dev(ctx context.Context, s *check.Scan) error {
	root := under(s, "dev")
	d, err := s.FS.OpenDir(root, false)
	if hostfile.Gone(err) {
		return check.NotApplicable("there is no %s", root)
	}
	if err != nil {
		return err
	}
	w := devWalk{ctx: ctx, s: s}
	w.dir(d, root, 0)
	if w.stopped > 0 {
		s.Fault("look into "+w.first, fmt.Errorf("%d folders are deeper than %d, or have paths of more than %d bytes", w.stopped, maxDepth, walk.MaxPath))
	}
	return ctx.Err()
}

// devNames are names that may be there at any depth, devPaths full paths, as
// in OSSEC (2.8.3 and 4.3.0). With a base folder the paths match nothing.
func devNames() []string {
	return []string{"MAKEDEV", "README.MAKEDEV", "MAKEDEV.README", "MAKEDEV.local", ".udevdb", ".udev.tdb",
		".initramfs-tools", ".udev", ".initramfs", "oprofile", "fd", "cgroup", ".blkid.tab", ".lxc-boot-id"}
}

func devPaths() []string {
	return []string{"/dev/shm/sysconfig", "/dev/bus/usb/.usbfs", "/dev/shm", "/dev/gpmctl"}
}

type devWalk struct {
	ctx context.Context
	s   *check.Scan

	// Folders that are too deep. Whoever plants them can plant many, so they are
	// one fault.
	first   string
	stopped int
}

// dir looks at an open folder and closes it.
func (w *devWalk) dir(d *hostfile.Dir, dir string, depth int) {
	defer d.Close()
	self, err := d.Info()
	if err != nil {
		w.s.Fault("look into "+dir, err)
		return
	}
	// Message queues, pseudo terminals and huge pages have files by nature.
	kind, err := d.FSType()
	if err != nil || kind.Synthetic() {
		return
	}
	own := func(info hostfile.Info, attr hostfile.Attr) bool {
		return !attr.Mounted && (info.Dev == self.Dev || kind.Layered())
	}
	for w.ctx.Err() == nil {
		names, err := d.Names(nameChunk)
		slices.Sort(names)
		for _, name := range names {
			w.entry(d, own, path.Join(dir, name), name, depth)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.s.Fault("list "+dir, err)
			return
		}
	}
}

// entry looks at a name in an open folder; own says whether a file is that
// folder's, and not a bind mount: what container engines put there
// (/dev/termination-log).
func (w *devWalk) entry(d *hostfile.Dir, own func(hostfile.Info, hostfile.Attr) bool, full, name string, depth int) {
	if slices.Contains(devNames(), name) || slices.Contains(devPaths(), full) {
		return
	}
	info, attr, err := d.Statx(name)
	switch {
	case hostfile.Gone(err):
	case err != nil:
		w.s.Fault("look at "+full, err)
	case info.IsDir() && (depth == maxDepth || len(full) > walk.MaxPath):
		if w.stopped++; w.first == "" {
			w.first = full
		}
	case info.IsDir():
		sub, err := d.OpenDir(name)
		if err != nil {
			w.s.Fault("look into "+full, err)
			return
		}
		w.dir(sub, full, depth+1)
	case info.IsRegular() && own(info, attr):
		w.report(full)
	}
}

func (w *devWalk) report(full string) {
	text := devText(full)
	w.s.Report(aboutFile(w.s, check.Finding{
		Kind: check.Suspicious, Rule: "regular-file", Title: text, Wire: text,
		Why: "Only device nodes, folders and links belong in /dev; rootkits hide lists and programs there because nobody looks. " +
			"A command that wrote to a device that does not exist leaves such a file too.",
		Advice: "See what it is with `file` and who has it open with `fuser -v`.",
	}, full))
}
