// SPDX-License-Identifier: Apache-2.0

//go:build unix

package syscheckd

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLinksAreNotFollowed replaces a folder by a link, to a folder that nobody
// watches: what was below it is gone, and what the link leads to is not told.
func TestLinksAreNotFollowed(t *testing.T) {
	r := newRig(t, "d/a")
	outside := filepath.Join(r.home, "outside")
	must(t, os.MkdirAll(outside, 0o755))
	must(t, os.WriteFile(filepath.Join(outside, "a"), []byte("secret"), 0o644))
	tr := treeOf(t, r.tree)
	r.start()
	must(t, os.RemoveAll(r.path("d")))
	must(t, os.Symlink(outside, r.path("d")))
	r.rest("mark")
	must(t, os.WriteFile(filepath.Join(outside, "b"), []byte("secret"), 0o644))
	r.rest("mark2")
	r.agree(tr, "behind a link")
}

// TestLooksLeaveNoWatches changes files: the system's watches are for folders.
func TestLooksLeaveNoWatches(t *testing.T) {
	r := newRig(t, "a", "b", "d/c")
	r.start()
	before, _, _ := r.daemon.feed.watching()
	for _, name := range []string{"a", "b", "d/c"} {
		r.write(name, "changed")
		r.expect("updated " + name)
	}
	r.rest("mark")
	if after, _, _ := r.daemon.feed.watching(); after != before {
		t.Errorf("%d watches, before the files changed %d", after, before)
	}
}

// TestSingleFile watches a file, and not the folder around it.
func TestSingleFile(t *testing.T) {
	r := newRig(t, "conf", "other")
	r.conf.Syscheck.Directories[0].Path = r.path("conf")
	r.start()
	r.write("other", "changed")
	r.write("conf", "changed")
	r.expect("updated conf")
	must(t, os.WriteFile(r.path("tmp"), []byte("replaced"), 0o644))
	must(t, os.Rename(r.path("tmp"), r.path("conf")))
	r.expect("updated conf")
	r.write("conf", "changed after it was replaced")
	r.expect("updated conf")
	r.quiet()
}
