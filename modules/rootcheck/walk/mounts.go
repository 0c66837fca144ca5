// SPDX-License-Identifier: Apache-2.0

package walk

import (
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
}

// ReadMounts reads the mounts of this process's mount namespace.
func ReadMounts(h paths.Host) (Mounts, error) { return ReadMountsOf(h, "self") }

// ReadMountsOf reads those of another process.
func ReadMountsOf(h paths.Host, pid string) (Mounts, error) {
	m := Mounts{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	list, err := proc.Mounts(h, pid)
	for _, mount := range list {
		sort, _, _ := strings.Cut(mount.FSType, ".")
		// What is mounted over another comes behind it: over autofs what that
		// was told to mount.
		for _, c := range []struct {
			is  bool
			set map[string]bool
		}{
			{slices.Contains(made(), sort), m.Made}, {slices.Contains(remote(), sort), m.Remote}, {slices.Contains(images(), sort), m.Image},
			{slices.Contains(strings.Split(mount.Options, ","), "nosuid"), m.NoSetid},
		} {
			delete(c.set, mount.Point)
			if c.is {
				c.set[mount.Point] = true
			}
		}
	}
	return m, err
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
