// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"

	"hids/modules/rootcheck/check"
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
}

// dir looks at an open folder and closes it.
func (w *devWalk) dir(d *hostfile.Dir, dir string, depth int) {
	defer d.Close()
	self, err := d.Info()
	if err != nil || depth > maxDepth {
		w.s.Fault("look into "+dir, err)
		return
	}
	// Message queues, pseudo terminals and huge pages have files by nature.
	if t, err := d.FSType(); err != nil || t.Synthetic() {
		return
	}
	for w.ctx.Err() == nil {
		names, err := d.Names(nameChunk)
		slices.Sort(names)
		for _, name := range names {
			w.entry(d, self, path.Join(dir, name), name, depth)
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

func (w *devWalk) entry(d *hostfile.Dir, parent hostfile.Info, full, name string, depth int) {
	if slices.Contains(devNames(), name) || slices.Contains(devPaths(), full) {
		return
	}
	info, err := d.Lstat(name)
	switch {
	case hostfile.Gone(err):
	case err != nil:
		w.s.Fault("look at "+full, err)
	case info.IsDir():
		sub, err := d.OpenDir(name)
		if err != nil {
			w.s.Fault("look into "+full, err)
			return
		}
		w.dir(sub, full, depth+1)
	case info.IsRegular() && info.Dev == parent.Dev:
		// A file of another file system is a bind mount: what container
		// engines put there (/dev/termination-log).
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
