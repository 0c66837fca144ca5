// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hids/config"
	"hids/config/rules"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

// chooser tells the walk what to visit. It is used by the walking goroutine
// only.
type chooser struct {
	rules *rules.Rules
	roots map[string]bool
	above map[string]bool // what must be passed through to come to a root
	// passing holds the directories that are entered only for the sake of a
	// root below them: nothing else in them is watched.
	passing map[string]bool
	enter   func(dir string, entry *config.Directory) // may be nil
}

func newChooser(r *rules.Rules, roots []string) *chooser {
	c := &chooser{rules: r, roots: map[string]bool{}, above: map[string]bool{}, passing: map[string]bool{}}
	for _, root := range roots {
		c.roots[root] = true
		for up := path.Dir(root); !c.above[up]; up = path.Dir(up) {
			c.above[up] = true
		}
	}
	return c
}

// choose implements fswalk.Options.Choose.
func (c *chooser) choose(p string, kind fsstat.Kind) (visit, descend bool) {
	isDir := kind == fsstat.Dir
	if c.roots[p] {
		return true, isDir
	}
	visit = (len(c.passing) == 0 || !c.passing[path.Dir(p)]) && c.watches(p, isDir)
	if !isDir {
		return visit, false
	}
	descend = visit && c.rules.Descend(p)
	if descend {
		c.entering(p)
	}
	if !descend && c.above[p] {
		c.passing[p] = true
		return visit, true
	}
	return visit, descend
}

// entering tells that the content of p is about to be read.
func (c *chooser) entering(p string) {
	if c.enter == nil {
		return
	}
	if entry, ok := c.rules.ForDir(p); ok {
		c.enter(p, &entry)
	}
}

// watches reports whether a rule covers p and none ignores it.
func (c *chooser) watches(p string, isDir bool) bool {
	if _, ignored := c.rules.Ignored(p); ignored {
		return false
	}
	if isDir {
		_, ok := c.rules.ForDir(p)
		return ok
	}
	_, ok := c.rules.For(p)
	return ok
}

// alias implements fswalk.Options.Alias: merged /usr has /bin lead to /usr/bin,
// and when both are watched, one is enough.
func alias(r *rules.Rules) func(path, real string) bool {
	return func(path, real string) bool {
		real = filepath.ToSlash(real)
		return !strings.EqualFold(path, real) && watched(r, real, true)
	}
}

// watched reports whether a scan of everything would come to p: a rule covers
// it, and neither it nor what is above it, below its root, is ignored.
func watched(r *rules.Rules, p string, isDir bool) bool {
	entry, ok := r.For(p)
	if isDir {
		entry, ok = r.ForDir(p)
	}
	if !ok {
		return false
	}
	for ; p != entry.Path && len(p) > 1; p = path.Dir(p) {
		if _, ignored := r.Ignored(p); ignored {
			return false
		}
	}
	return true
}

// scopes returns what a scan of paths walks: the paths themselves where they
// are watched, and the roots below those that are not. A path through a link
// to a watched directory is taken where it is watched. None is below another.
// Where a scan is lenient, paths that are not watched are left out if others are.
func scopes(r *rules.Rules, paths []string, lenient bool) ([]string, error) {
	var all []string
	for _, p := range paths {
		p = where(r, path.Clean(filepath.ToSlash(p)))
		n := len(all)
		if watched(r, p, true) && !behindLink(r, p) {
			all = append(all, p)
		}
		for _, root := range roots(r) {
			if fswalk.Within(root, p) && root != p {
				all = append(all, root)
			}
		}
		if len(all) == n && !lenient {
			return nil, &pathError{p, ErrNotWatched}
		}
	}
	if len(all) == 0 {
		return nil, ErrNotWatched
	}
	return tops(all), nil
}

// where returns the name under which a scan of everything would see p.
func where(r *rules.Rules, p string) string {
	if watched(r, p, true) {
		if slices.Contains(roots(r), p) {
			return p
		}
	}
	dir, err := filepath.EvalSymlinks(path.Dir(p))
	if err != nil {
		return p
	}
	real := path.Join(filepath.ToSlash(dir), path.Base(p))
	if real != p && watched(r, real, true) {
		return real
	}
	return p
}

// roots returns the paths of all entries. A walk comes to many of them from
// another; but one that is a link is followed for being one of them.
func roots(r *rules.Rules) []string {
	var paths []string
	for _, d := range r.Directories() {
		paths = append(paths, d.Path)
	}
	return paths
}

// rootsOf tells which paths are entries. Only those are followed where they are
// links: a link anywhere else is watched for what it is, however the scan came
// to it.
func rootsOf(r *rules.Rules) func(path string) bool {
	all := map[string]bool{}
	for _, p := range roots(r) {
		all[p] = true
	}
	return func(path string) bool { return all[path] }
}

// behindLink reports whether p, below its entry, lies behind a link: a scan of
// everything would not come to it.
func behindLink(r *rules.Rules, p string) bool {
	entry, ok := r.ForDir(p)
	if !ok {
		return false
	}
	for up := path.Dir(p); up != entry.Path && fswalk.Within(up, entry.Path) && len(up) > 1; up = path.Dir(up) {
		if info, err := os.Lstat(up); err == nil && info.Mode().Type() == fs.ModeSymlink {
			return true
		}
	}
	return false
}

// tops sorts paths as a walk does and leaves out those below another.
func tops(paths []string) []string {
	var top []string
	for _, p := range sorted(paths) {
		if n := len(top); n == 0 || !fswalk.Within(p, top[n-1]) {
			top = append(top, p)
		}
	}
	return top
}
