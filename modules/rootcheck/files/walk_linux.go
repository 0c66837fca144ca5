// SPDX-License-Identifier: Apache-2.0

package files

import (
	"cmp"
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
	"hids/platform/hostfile"
	"hids/platform/proc"
)

// Limits of the walk. A folder deeper than maxDepth is a fault: each level
// keeps a descriptor open. After maxEntries the walk ends, with a fault too:
// system folders come first, so what is left out is somebody's data.
const (
	maxDepth   = 400
	maxEntries = 3_000_000
	maxOpened  = 4096 // files of shared memory that are looked into
)

// walk looks at every entry of the host's local file systems once, for all
// the questions of the check.
type walk struct {
	ctx     context.Context
	scan    *check.Scan
	leave   map[string]bool // mount points that are not looked into
	noSetid map[string]bool // mount points where such bits have no effect
	reader  *hostfile.Reader
	entries int
	opened  int
	facts
}

// facts is what the walk found.
type facts struct {
	privileged []privileged
	frozen     []frozen
	oddNames   []string
	programs   []string // ELF files in shared memory
	disagree   []disagreement
}

// place is where in the tree an entry is.
type place struct {
	dev     uint64 // of the parent
	depth   int
	noSetid bool
}

func (w *walk) run() error {
	w.readMounts()
	d, err := w.scan.FS.OpenDir("/", true)
	if err != nil {
		return err
	}
	self, err := d.Info()
	if err != nil {
		d.Close()
		return err
	}
	w.dir(d, self, "/", place{})
	if w.entries >= maxEntries {
		w.scan.Fault("walk", fmt.Errorf("stopped after %d entries", maxEntries))
	}
	if w.opened > maxOpened {
		w.scan.Fault("look for programs in shared memory", fmt.Errorf("looked into %d of %d files", maxOpened, w.opened))
	}
	return w.ctx.Err()
}

// complete reports whether everything was looked at.
func (w *walk) complete() bool { return w.entries < maxEntries && w.ctx.Err() == nil }

// readMounts finds what is remote, made up or somebody's program (FUSE),
// before anything in there is touched and can hang us.
func (w *walk) readMounts() {
	w.leave, w.noSetid = make(map[string]bool), make(map[string]bool)
	if !w.scan.Live {
		return
	}
	mounts, err := proc.Mounts(w.scan.Host, "self")
	if err != nil {
		w.scan.Log.Debug("mounts cannot be read", "err", err)
	}
	for _, m := range mounts {
		if foreign(m.FSType) {
			w.leave[m.Point] = true
		}
		if slices.Contains(strings.Split(m.Options, ","), "nosuid") {
			w.noSetid[m.Point] = true
		}
	}
}

// foreign lists file systems by name; those that only a number tells are left
// out when they are reached.
func foreign(fsType string) bool {
	name, _, _ := strings.Cut(fsType, ".")
	return slices.Contains([]string{
		"fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "9p", "glusterfs", "lustre", "gpfs", "beegfs", "virtiofs",
		"autofs", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "hugetlbfs", "securityfs", "debugfs", "tracefs", "bpf",
		"configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "nsfs", "rpc_pipefs", "selinuxfs", "squashfs", "iso9660",
	}, name)
}

// leftOut lists folders with the file systems of containers and images, where
// other rules hold.
func leftOut(dir string) bool {
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

// dir looks at an open folder and at what is in it, and closes it.
func (w *walk) dir(d *hostfile.Dir, self hostfile.Info, dir string, at place) {
	defer d.Close()
	if self.Dev != at.dev {
		if t, err := d.FSType(); err != nil || t.Synthetic() || t.Network() {
			return
		}
	}
	if at.depth > maxDepth {
		w.fault("look into "+dir, fmt.Errorf("deeper than %d folders", maxDepth))
		return
	}
	at.noSetid = at.noSetid && self.Dev == at.dev || w.noSetid[dir]
	at.dev = self.Dev
	var folders []folder
	err := w.reader.Each(d, func(e hostfile.Entry) {
		if nlink, ok := w.entry(d, dir, e, at); ok && w.complete() {
			folders = append(folders, folder{string(e.Name()), nlink})
		}
	})
	if err != nil {
		w.fault("list "+dir, err)
	}
	if dir == "/" {
		slices.SortStableFunc(folders, func(a, b folder) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	}
	at.depth++
	for _, f := range folders {
		w.descend(d, path.Join(dir, f.name), f, at)
	}
}

// folder is a folder to look into, and the link count that its path told.
type folder struct {
	name  string
	nlink uint64
}

// rank puts the system's folders before those with people's data.
func rank(name string) int {
	if i := slices.Index([]string{"dev", "etc", "bin", "sbin", "lib", "lib64", "usr", "boot", "run", "root", "tmp", "opt", "var"}, name); i >= 0 {
		return i
	}
	return 1000
}

func (w *walk) descend(d *hostfile.Dir, full string, f folder, at place) {
	if !w.complete() || w.leave[full] || leftOut(full) || ignored(w.scan.Config.Ignore, full) {
		return
	}
	sub, err := d.OpenDir(f.name)
	if err != nil {
		if !hostfile.Gone(err) {
			w.fault("look into "+full, err)
		}
		return
	}
	self, err := sub.Info()
	if err != nil {
		sub.Close()
		w.fault("look at "+full, err)
		return
	}
	if self.Nlink != f.nlink {
		w.compareStats(d, sub, f.name, full)
	}
	w.dir(sub, self, full, at)
}

func (w *walk) fault(op string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		w.scan.Fault(op, err)
	}
}

// entry looks at one entry. For a folder to look into it returns the link
// count.
func (w *walk) entry(d *hostfile.Dir, dir string, e hostfile.Entry, at place) (nlink uint64, isFolder bool) {
	w.entries++
	if suspect(e.Name()) {
		name := string(e.Name())
		if full := path.Join(dir, name); oddName(dir, full, name) {
			w.oddNames = append(w.oddNames, full)
		}
	}
	if e.Special() {
		return 0, false
	}
	info, attr, err := e.Statx()
	if err != nil {
		if !hostfile.Gone(err) {
			w.fault("look at "+path.Join(dir, string(e.Name())), err)
		}
		return 0, false
	}
	if attr.Immutable || attr.AppendOnly {
		w.frozen = append(w.frozen, frozen{path.Join(dir, string(e.Name())), info, attr})
	}
	if info.IsRegular() {
		w.file(d, dir, e, info, at)
	}
	return info.Nlink, info.IsDir() && !attr.Automount
}

func (w *walk) file(d *hostfile.Dir, dir string, e hostfile.Entry, info hostfile.Info, at place) {
	const setid, execute = fs.ModeSetuid | fs.ModeSetgid, 0o111
	shared := dir == "/dev/shm" || strings.HasPrefix(dir, "/dev/shm/")
	if !shared && info.Mode&execute == 0 {
		return
	}
	name := string(e.Name())
	full := path.Join(dir, name)
	if info.Mode&execute != 0 && !at.noSetid {
		p := privileged{path: full, info: info}
		if caps, err := d.Capabilities(name); err == nil {
			p.caps = caps
		}
		// A setgid bit without the right to execute once meant locking.
		if info.Mode&setid != 0 || len(p.caps) > 0 {
			w.privileged = append(w.privileged, p)
		}
	}
	if shared {
		if w.opened++; w.opened <= maxOpened && isELF(d, name) {
			w.programs = append(w.programs, full)
		}
	}
}

func isELF(d *hostfile.Dir, name string) bool {
	f, _, err := d.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

// disagreement is a folder with two link counts.
type disagreement struct {
	path        string
	stat, fstat uint64
}

// compareStats, called when the counts differed, holds what statx(2) of a path says against what fstat(2) of the
// same, open folder says. Rootkits that hide folders mend the link count in
// the calls that take a path.
func (w *walk) compareStats(d, sub *hostfile.Dir, name, full string) {
	for range 3 {
		before, err1 := sub.Info()
		byPath, _, err2 := d.Statx(name)
		after, err3 := sub.Info()
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
		d := disagreement{full, byPath.Nlink, after.Nlink}
		if !slices.Contains(w.disagree, d) {
			w.disagree = append(w.disagree, d)
		}
	}
}
