// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hids/config"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
)

// Limits of the check. After maxEntries it looks no further, with a fault:
// system folders come first, so what is left out is somebody's data.
const (
	maxEntries = 3_000_000
	maxOpened  = 4096 // files of shared memory that are looked into
	maxListed  = 5000 // things of one sort; see listed
)

// tree looks at every entry of the host's local file systems once, for all
// the questions of the check.
type tree struct {
	ctx     context.Context
	scan    *check.Scan
	mounts  walk.Mounts
	entries int
	opened  int
	facts
}

// facts is what the walk found.
type facts struct {
	privileged listed[privileged]
	frozen     listed[frozen]
	oddNames   listed[string]
	programs   []string // ELF files in shared memory
	closed     int      // files of shared memory that could not be looked into,
	why        error    // and why the last could not
	disagree   []disagreement
}

// listed is what may have to be reported. Of what anybody can plant there is
// only so much, so that it takes no memory without end; what only root can have
// made comes first, and what others plant does not push it out.
type listed[T any] struct {
	roots, others []T
	dropped       int
}

func (l *listed[T]) add(byRoot bool, v T) {
	list := &l.others
	if byRoot {
		list = &l.roots
	}
	if len(*list) == maxListed {
		l.dropped++
		return
	}
	*list = append(*list, v)
}

func (l *listed[T]) all() []T { return slices.Concat(l.roots, l.others) }

// place is a folder that is being listed.
type place struct {
	noSetid bool
	shared  bool // memory that programs share
}

// fileSystem makes the visitor of the check.
func fileSystem(ctx context.Context, s *check.Scan) (walk.Visitor, error) {
	t := &tree{ctx: ctx, scan: s}
	if s.Live {
		var err error
		if t.mounts, err = walk.ReadMounts(s.Host); err != nil {
			s.Fault("read mounts", err)
		}
	}
	return t, nil
}

// Roots implements walk.Visitor.
func (t *tree) Roots() []string { return append([]string{"/"}, t.mounts.Auto...) }

// Wants implements walk.Visitor: what is remote, made up or somebody's program
// (FUSE) is not touched, so that it can't hang us.
func (t *tree) Wants(full string, up walk.State) bool {
	switch {
	case up == nil && full == "/":
		return true
	case up == nil && !t.mounted(full):
		return false
	}
	return t.complete() && !t.mounts.Made[full] && !t.mounts.Remote[full] && !t.mounts.Image[full] && !t.unwanted(full)
}

func (t *tree) unwanted(dir string) bool { return foreign(dir) || ignored(t.scan.Config.Ignore, dir) }

// mounted reports whether something in an automounter's folder is wanted and
// still there: whoever asks for it when it is not has it mounted again.
func (t *tree) mounted(full string) bool {
	if !slices.Contains(t.mounts.Auto, full) {
		return false
	}
	for dir := path.Dir(full); len(dir) > 1; dir = path.Dir(dir) {
		if t.unwanted(dir) {
			return false
		}
	}
	now, err := walk.ReadMounts(t.scan.Host)
	return err == nil && slices.Contains(now.Auto, full)
}

// Enter implements walk.Visitor.
func (t *tree) Enter(f *walk.Folder, up walk.State) walk.State {
	if f.FSType.Synthetic() || f.FSType.Network() {
		return nil
	}
	if f.Nlink != 0 && f.Nlink != f.Self.Nlink {
		t.compareStats(f)
	}
	at := &place{noSetid: t.mounts.NoSetid[f.Path], shared: f.Path == "/dev/shm"}
	if above, ok := up.(*place); ok {
		at.noSetid = at.noSetid || above.noSetid && !f.OnMount()
		at.shared = at.shared || above.shared
	}
	return at
}

// Leave implements walk.Visitor.
func (*tree) Leave(*walk.Folder, walk.State) {}

// Fault implements walk.Visitor.
func (t *tree) Fault(op string, err error) { t.scan.Fault(op, err) }

// Finish implements walk.Visitor: it judges what the walk found.
func (t *tree) Finish(err error) error {
	if err != nil {
		return err
	}
	if t.entries >= maxEntries {
		t.scan.Fault("walk", fmt.Errorf("stopped after %d entries", maxEntries))
	}
	if t.opened > maxOpened {
		t.scan.Fault("look for programs in shared memory", fmt.Errorf("looked into %d of %d files", maxOpened, t.opened))
	}
	if t.closed > 0 {
		t.scan.Fault("look for programs in shared memory", fmt.Errorf("%d files: %w", t.closed, t.why))
	}
	for what, n := range map[string]int{
		"list programs with more rights": t.privileged.dropped, "list files that can't be changed": t.frozen.dropped, "list odd names": t.oddNames.dropped,
	} {
		if n > 0 {
			t.scan.Fault(what, fmt.Errorf("%d are left out, %d is the limit", n, maxListed))
		}
	}
	return t.judge()
}

// complete reports whether there is room for more.
func (t *tree) complete() bool { return t.entries < maxEntries }

// foreign lists folders with the file systems of containers and images, where
// other rules hold.
func foreign(dir string) bool {
	return slices.Contains([]string{
		"/proc", "/sys", "/snap", "/var/lib/snapd/snap",
		"/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kubelet/pods", "/var/lib/lxc", "/var/lib/lxd",
		"/var/lib/incus", "/var/lib/machines", "/var/lib/flatpak", "/var/lib/rancher",
	}, dir)
}

func ignored(rules []config.PathRule, dir string) bool {
	return slices.ContainsFunc(rules, func(r config.PathRule) bool {
		return r.Pattern != nil && r.Pattern.MatchString(dir) || r.Prefix != "" && strings.TrimSuffix(r.Prefix, "/") == dir
	})
}

// Entry implements walk.Visitor.
func (t *tree) Entry(f *walk.Folder, e *walk.Entry, st walk.State) {
	if t.entries++; !t.complete() {
		return
	}
	if suspect(e.Name()) {
		name := e.Text()
		if full := path.Join(f.Path, name); oddName(f.Path, full, name) {
			t.oddNames.add(rootsAlone(f) || e.Err == nil && e.Info.UID == 0, full)
		}
	}
	if e.Err != nil || e.Special() {
		return
	}
	if e.Attr.Immutable || e.Attr.AppendOnly {
		if frozen := (frozen{path.Join(f.Path, e.Text()), e.Info, e.Attr}); !frozen.expected() {
			t.frozen.add(true, frozen) // only root can set these
		}
	}
	if e.Info.IsRegular() {
		t.file(f, e, st.(*place))
	}
}

func (t *tree) file(f *walk.Folder, e *walk.Entry, at *place) {
	const setid, execute = fs.ModeSetuid | fs.ModeSetgid, 0o111
	info := e.Info
	if !at.shared && info.Mode&execute == 0 {
		return
	}
	name := e.Text()
	full := path.Join(f.Path, name)
	if info.Mode&execute != 0 && !at.noSetid {
		p := privileged{path: full, info: info}
		if caps, err := f.Dir.Capabilities(name); err == nil {
			p.caps = caps
		}
		// A setgid bit without the right to execute once meant locking.
		if info.Mode&setid != 0 || len(p.caps) > 0 {
			t.privileged.add(p.roots() || info.UID == 0 || rootsAlone(f), p)
		}
	}
	if at.shared {
		t.lookInto(f.Dir, name, full)
	}
}

// rootsAlone reports whether nobody but root can put files into a folder.
func rootsAlone(f *walk.Folder) bool { return f.Self.UID == 0 && f.Self.Mode&0o022 == 0 }

// lookInto notes a program in shared memory.
func (t *tree) lookInto(d *hostfile.Dir, name, full string) {
	if t.opened++; t.opened > maxOpened {
		return
	}
	switch elf, err := isELF(d, name); {
	case hostfile.Gone(err), errors.Is(err, hostfile.ErrNotRegular):
	case err != nil:
		t.closed++
		t.why = err
	case elf:
		t.programs = append(t.programs, full)
	}
}

func isELF(d *hostfile.Dir, name string) (bool, error) {
	f, _, err := d.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return string(magic[:]) == "\x7fELF", err
}

// disagreement is a folder with two link counts.
type disagreement struct {
	path        string
	stat, fstat uint64
}

// compareStats, called when the counts differed, holds what statx(2) of a path
// says against what fstat(2) of the same, open folder says. Rootkits that hide
// folders mend the link count in the calls that take a path.
func (t *tree) compareStats(f *walk.Folder) {
	for range 3 {
		before, err1 := f.Dir.Info()
		byPath, _, err2 := f.Up.Dir.Statx(f.Name)
		after, err3 := f.Dir.Info()
		if err1 != nil || err2 != nil || err3 != nil || !byPath.Same(after) {
			return // replaced, or something is mounted on it
		}
		if byPath.Nlink == before.Nlink || byPath.Nlink == after.Nlink || before.Nlink != after.Nlink {
			return
		}
		if byPath.Nlink <= 1 || after.Nlink <= 1 {
			return
		}
		if !before.Ctime.Equal(after.Ctime) || !before.Ctime.Equal(byPath.Ctime) {
			continue
		}
		d := disagreement{f.Path, byPath.Nlink, after.Nlink}
		if !slices.Contains(t.disagree, d) {
			t.disagree = append(t.disagree, d)
		}
	}
}
