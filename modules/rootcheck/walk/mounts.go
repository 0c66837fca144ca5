// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"path"
	"slices"
	"strings"

	"hids/platform/paths"
	"hids/platform/proc"
)

// Mounts says of the mount points of a machine what has to be known before
// they are touched.
type Mounts struct {
	Made    map[string]bool // made up by the kernel, or by somebody's program (FUSE, autofs), which can hang us
	Remote  map[string]bool // on another machine, which can hang us too
	Image   map[string]bool // read-only by nature
	NoSetid map[string]bool // where setuid bits have no effect

	// Auto lists what is mounted in folders of an automounter, autofs(5). They
	// are Made and not listed, so a walk has to begin there.
	Auto []string
}

// ReadMounts reads the mounts of this process's mount namespace.
func ReadMounts(h paths.Host) (Mounts, error) { return ReadMountsOf(h, "self") }

// ReadMountsOf reads those of another process. What is mounted over another
// mount is what counts: an automounter's own file system lies below the one that
// it mounted.
func ReadMountsOf(h paths.Host, pid string) (Mounts, error) {
	m := Mounts{Made: map[string]bool{}, Remote: map[string]bool{}, Image: map[string]bool{}, NoSetid: map[string]bool{}}
	list, err := proc.Mounts(h, pid)
	tree := newMountTree(list)
	for _, mount := range list {
		if !tree.visible(mount) {
			continue
		}
		sort, _, _ := strings.Cut(mount.FSType, ".")
		for _, c := range []struct {
			names []string
			set   map[string]bool
		}{{made(), m.Made}, {remote(), m.Remote}, {images(), m.Image}} {
			if slices.Contains(c.names, sort) {
				c.set[mount.Point] = true
			}
		}
		if slices.Contains(strings.Split(mount.Options, ","), "nosuid") {
			m.NoSetid[mount.Point] = true
		}
		if up := tree.byID[mount.Parent]; up.FSType == "autofs" && up.Point != mount.Point && sort != "autofs" {
			m.Auto = append(m.Auto, mount.Point)
		}
	}
	return m, err
}

// mountTree says of a namespace's mounts which of them a path leads to.
type mountTree struct {
	byID    map[int]proc.Mount
	on      map[mountPoint]bool
	reached map[int]bool // what is known so far
}

// mountPoint is where, on another mount, something is mounted.
type mountPoint struct {
	parent int
	path   string
}

func newMountTree(list []proc.Mount) mountTree {
	t := mountTree{make(map[int]proc.Mount, len(list)), make(map[mountPoint]bool, len(list)), make(map[int]bool, len(list))}
	for _, m := range list {
		t.byID[m.ID] = m
		if m.ID != m.Parent {
			t.on[mountPoint{m.Parent, m.Point}] = true
		}
	}
	return t
}

// visible reports whether nothing is mounted over a mount, or over a folder on
// the way to it.
func (t mountTree) visible(m proc.Mount) bool {
	return !t.on[mountPoint{m.ID, m.Point}] && t.reaches(m)
}

func (t mountTree) reaches(m proc.Mount) bool {
	if known, ok := t.reached[m.ID]; ok {
		return known
	}
	t.reached[m.ID] = true // ends a circle, which no kernel tells of
	up, ok := t.byID[m.Parent]
	t.reached[m.ID] = !t.covered(m) && (!ok || t.reaches(up))
	return t.reached[m.ID]
}

// covered reports whether something is mounted, on the same mount, over a folder
// that m is in.
func (t mountTree) covered(m proc.Mount) bool {
	for dir := m.Point; len(dir) > 1; {
		if dir = path.Dir(dir); t.on[mountPoint{m.Parent, dir}] {
			return true
		}
	}
	return false
}

func made() []string {
	return []string{
		"fuse", "fuseblk", "autofs", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "hugetlbfs", "securityfs", "debugfs",
		"tracefs", "bpf", "configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "nsfs", "rpc_pipefs", "selinuxfs",
	}
}

func remote() []string {
	return []string{"nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "9p", "glusterfs", "lustre", "gpfs", "beegfs", "virtiofs"}
}

func images() []string { return []string{"squashfs", "iso9660", "erofs", "cramfs"} }
