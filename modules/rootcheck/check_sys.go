// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"hids/config"
	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/signature"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
)

// Limits of a walk of one folder tree by dev. A folder deeper than maxDepth is a
// fault: each level keeps a descriptor open, so that no rename can lead the walk
// astray.
const (
	maxDepth  = 400
	nameChunk = 4096
)

// sys looks, in the system's folders, for what a kernel rootkit does to them:
// names that are listed but can't be looked at, sizes that are wrong, folders
// that a listing leaves out. On the way it finds signature names and files of
// root that anyone may write.
func (o *ossec) sys(ctx context.Context, s *check.Scan) (walk.Visitor, error) {
	w := &sysWalk{ctx: ctx, s: s, roots: sysRoots(s), anywhere: o.anywhere(s)}
	if s.Live {
		var err error
		if w.mounts, err = walk.ReadMounts(s.Host); err != nil {
			s.Fault("read mounts", err)
		}
	}
	return w, nil
}

// sysRoots are OSSEC's (2.8.3 and 4.3.0). With scanall the base folder is
// ignored, as there.
func sysRoots(s *check.Scan) []string {
	if s.Config.ScanAll {
		return []string{"/"}
	}
	roots := []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/dev", "/lib", "/etc", "/root", "/var/log", "/var/mail",
		"/var/lib", "/var/www", "/usr/lib", "/usr/include", "/tmp", "/boot", "/usr/local", "/var/tmp", "/sys"}
	for i := range roots {
		roots[i] = under(s, roots[i])
	}
	return roots
}

// anywhere returns the names to look for in every folder; none if the check
// for signature files is off, as in OSSEC.
func (o *ossec) anywhere(s *check.Scan) map[string]signature.File {
	names := map[string]signature.File{}
	if s.Config.Off["files"] {
		return names
	}
	for _, sig := range o.fileSignatures(s) {
		if _, known := names[sig.Path]; sig.Anywhere && !known {
			names[sig.Path] = sig
		}
	}
	return names
}

// sysWalk is the visitor of the check.
type sysWalk struct {
	ctx      context.Context
	s        *check.Scan
	roots    []string
	anywhere map[string]signature.File
	named    []string // paths with a name of anywhere
	mounts   walk.Mounts
}

// sysFolder is what is known of a folder that is being listed.
type sysFolder struct {
	parent  hostfile.Info
	read    bool // compare sizes with contents
	alien   bool // container storage, where modes are those of other hosts
	folders uint64
	closed  uint64   // listed, but nobody may look at them: they may be folders
	missing []string // listed, but not there when looked at
}

// readRoots are the folders below which OSSEC compares the size of every file
// with what can be read of it.
func readRoots() []string {
	return []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/dev", "/etc", "/boot"}
}

// containerRoots hold file systems of containers.
func containerRoots() []string {
	return []string{"/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kubelet/pods",
		"/var/lib/lxc", "/var/lib/lxd", "/var/lib/machines", "/var/snap", "/var/lib/snapd"}
}

// Roots implements walk.Visitor.
func (w *sysWalk) Roots() []string { return w.roots }

// Wants implements walk.Visitor. What somebody's program or the kernel makes
// up could hang us, and a network file system too: OSSEC goes down there unless
// skip_nfs says otherwise.
func (w *sysWalk) Wants(full string, up walk.State) bool {
	switch {
	case w.mounts.Made[full], w.s.Config.SkipNFS && w.mounts.Remote[full]:
		return false
	case up == nil:
		return slices.Contains(w.roots, full)
	}
	return full != "/proc" && full != "/sys" && !strings.Contains(full, "/dev/fd")
}

// Enter implements walk.Visitor.
func (w *sysWalk) Enter(f *walk.Folder, up walk.State) walk.State {
	if f.FSType.Synthetic() || w.s.Config.SkipNFS && f.FSType.Network() || ignored(w.s.Config.Ignore, f.Path) {
		return nil
	}
	st := &sysFolder{}
	if above, ok := up.(*sysFolder); ok {
		st.read, st.alien = above.read, above.alien
	}
	if f.Up != nil {
		st.parent = f.Up.Self
	}
	if f.Self.Dev != st.parent.Dev {
		st.read = w.s.Config.ReadAll // /dev/shm is no part of /dev, and everybody can fill it
	}
	st.read = (st.read || slices.Contains(readRoots(), f.Path)) && f.FSType.CountsLinks()
	st.alien = st.alien || slices.Contains(containerRoots(), f.Path)
	return st
}

// Leave implements walk.Visitor.
func (w *sysWalk) Leave(f *walk.Folder, st walk.State) {
	at := st.(*sysFolder)
	if len(at.missing) > 0 {
		w.confirmHidden(f.Dir, f.Path, at.missing)
	}
	if f.FSType.CountsLinks() && f.Self.Nlink > 1 && at.folders+2 != f.Self.Nlink {
		w.countLinks(f.Dir, f.Path, listing{f.Self, at.folders, at.closed}, at.parent)
	}
}

// Fault implements walk.Visitor.
func (w *sysWalk) Fault(op string, err error) { w.s.Fault(op, err) }

// Finish implements walk.Visitor. It asks once which packages own what has the
// name of a rootkit.
func (w *sysWalk) Finish(err error) error {
	owned := owners(w.ctx, w.s, w.named)
	for _, full := range w.named {
		reportRootkit(w.s, "rootkit-name", full, w.anywhere[path.Base(full)], owned[full])
	}
	return err
}

// ignored: OSSEC ignores exactly the folder that is named; with it what is in
// it goes.
func ignored(rules []config.PathRule, dir string) bool {
	for _, r := range rules {
		if r.Pattern != nil && r.Pattern.MatchString(dir) || r.Prefix != "" && strings.TrimSuffix(r.Prefix, "/") == dir {
			return true
		}
	}
	return false
}

// Entry implements walk.Visitor.
func (w *sysWalk) Entry(f *walk.Folder, e *walk.Entry, st walk.State) {
	at := st.(*sysFolder)
	if _, ok := w.anywhere[string(e.Name())]; ok && len(w.named) < maxFindings {
		w.named = append(w.named, path.Join(f.Path, e.Text()))
	}
	switch {
	case hostfile.Gone(e.Err):
		at.missing = append(at.missing, e.Text())
	case e.Err != nil:
		at.closed++
	case e.Info.IsDir():
		at.folders++
	case e.Info.IsRegular():
		w.file(f, e, at)
	}
}

func (w *sysWalk) file(f *walk.Folder, e *walk.Entry, at *sysFolder) {
	if at.read && f.Path != "/dev/bus/usb/.usbfs" {
		w.compareSize(f.Dir, path.Join(f.Path, e.Text()), e.Text(), e.Info)
	}
	if e.Info.UID == 0 && e.Info.Mode&0o002 != 0 && !at.alien {
		full := path.Join(f.Path, e.Text())
		text := writableText(full)
		w.s.Report(aboutFile(w.s, check.Finding{
			Kind: check.Suspicious, Rule: "world-writable", Title: text, Wire: text,
			Why:    "Any user, and any service that was broken into, can put their own content into a file that root trusts.",
			Advice: "Unless it is meant to be so, take the right away with `chmod o-w`.",
		}, full))
	}
}

// folder is what confirmHidden needs of a hostfile.Dir. No test can make a
// kernel lie otherwise.
type folder interface {
	Rewind() error
	Names(n int) ([]string, error)
	Lstat(name string) (hostfile.Info, error)
}

// confirmHidden looks again at names that were listed and not found: a file
// that was deleted meanwhile is in the second listing no more.
func (w *sysWalk) confirmHidden(d folder, dir string, missing []string) {
	for range 2 {
		still, err := w.stillListed(d, missing)
		if err != nil {
			w.s.Fault("list "+dir, err)
			return
		}
		missing = slices.DeleteFunc(still, func(name string) bool {
			_, err := d.Lstat(name)
			return !hostfile.Gone(err)
		})
	}
	for _, name := range missing {
		full := path.Join(dir, name)
		text := hiddenText(full)
		w.s.Report(aboutFile(w.s, check.Finding{
			Kind: check.Rootkit, Rule: "hidden-from-stat", Title: text, Wire: text,
			Why: "The kernel lists the name three times and denies that it exists: something between the file system and programs filters answers. " +
				"A damaged file system can do this too.",
			Advice: "Look at the folder from a rescue system; check the file system with fsck.",
		}, full))
	}
}

// stillListed returns those names that the folder lists now.
func (w *sysWalk) stillListed(d folder, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	var still []string
	err := eachName(d, func(name string) {
		if want[name] {
			still = append(still, name)
		}
	})
	return still, err
}

// eachName lists a folder from its beginning.
func eachName(d folder, fn func(name string)) error {
	if err := d.Rewind(); err != nil {
		return err
	}
	for {
		names, err := d.Names(nameChunk)
		for _, name := range names {
			fn(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// compareSize makes sure that a file ends where its size says. OSSEC reads all
// of it; the last byte and the one behind it tell the same.
func (w *sysWalk) compareSize(d *hostfile.Dir, full, name string, info hostfile.Info) {
	for range 2 {
		opened, ends, err := d.EndsAt(name, info.Size)
		switch {
		case hostfile.Gone(err):
			return
		case err != nil:
			w.s.Fault("read "+full, err)
			return
		case ends || !opened.Same(info) || opened.Size != info.Size:
			return
		}
		// Somebody may be writing: only a size that stays is a lie.
		if again, err := d.Lstat(name); err != nil || again != info {
			return
		}
	}
	text := sizeText(full)
	w.s.Report(aboutHashed(w.s, check.Finding{
		Kind: check.Rootkit, Rule: "size-mismatch", Title: text, Wire: text,
		Why: "The size that the kernel tells and the content that it gives differ, so a part of the file is hidden or made up. " +
			"A broken file system or a file that is made as it is read can look the same.",
		Advice: "Copy the file and compare sizes; look at it from a rescue system.",
	}, full))
}

// listing is what one pass over a folder saw.
type listing struct {
	before          hostfile.Info
	folders, closed uint64
}

// explains reports whether a folder with so many links may have what was listed.
// Even root may not look at what a user mounted with FUSE.
func (l listing) explains(links uint64) bool {
	least := l.folders + 2
	return least <= links && links <= least+l.closed
}

// countLinks compares a folder's link count, one for each subfolder and two,
// with the subfolders that are listed. A count of 1 is none; a folder that
// changed meanwhile is counted again.
func (w *sysWalk) countLinks(d *hostfile.Dir, dir string, l listing, parent hostfile.Info) {
	for range 4 {
		now, err := d.Info()
		if err != nil || now.Nlink <= 1 {
			return
		}
		onMount := now.Dev != parent.Dev && parent.Ino != 0
		if l.explains(now.Nlink) || onMount && l.explains(now.Nlink-1) {
			return
		}
		if now.Mtime.Equal(l.before.Mtime) && now.Nlink == l.before.Nlink {
			w.reportLinks(dir, l.folders+2, now.Nlink)
			return
		}
		if l, err = w.recount(d); err != nil {
			w.s.Fault("list "+dir, err)
			return
		}
	}
	// It never stood still: no answer, and no reason for an alarm.
	w.s.Log.Debug("folder changes too fast to count", "path", event.SafeText(dir))
}

func (w *sysWalk) recount(d *hostfile.Dir) (listing, error) {
	var l listing
	var err error
	if l.before, err = d.Info(); err != nil {
		return l, err
	}
	err = eachName(d, func(name string) {
		switch info, err := d.Lstat(name); {
		case hostfile.Gone(err):
		case err != nil:
			l.closed++
		case info.IsDir():
			l.folders++
		}
	})
	return l, err
}

func (w *sysWalk) reportLinks(dir string, counted, links uint64) {
	text := linksText(dir, counted, links)
	w.s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "link-count", Thing: dir, Path: dir, Title: text, Wire: text,
		State: fmt.Sprint(counted, " ", links),
		Why: "The folder has more or fewer subfolders than it lists. Kernel rootkits hide folders by leaving them out of listings. " +
			"A file system that does not count links as others do looks the same; report its type if this is a false alarm.",
		Advice:   "Compare with `ls -la` from a rescue system; `findmnt -T` tells the file system.",
		Evidence: map[string]string{"listed": fmt.Sprint(counted), "link_count": fmt.Sprint(links)},
	})
}
