// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"path"
	"strings"

	"hids/config"
)

// IsGlob reports whether a path of <directories> has glob characters.
func IsGlob(p string) bool { return strings.ContainsAny(p, "*?[") }

// Expand returns s with every glob replaced by what glob finds for it, in
// place, and s itself unchanged. A glob without a match is left out: what it
// names may come later, and the next Expand finds it. It is told as a fault, not
// a fatal one, only when not even the folder before the glob is there. glob is
// filepath.Glob, or one that looks below another root.
func Expand(s *config.Syscheck, glob func(pattern string) ([]string, error)) (*config.Syscheck, config.Faults) {
	out := *s
	out.Directories = make([]config.Directory, 0, len(s.Directories))
	var faults config.Faults
	for _, d := range s.Directories {
		if !IsGlob(d.Path) {
			out.Directories = append(out.Directories, d)
			continue
		}
		found, err := glob(d.Path)
		if err != nil {
			faults.Warnf(d.Pos, "close every [ with a ]", "glob %q: %v", d.Path, err)
		} else if len(found) == 0 && !exists(fixed(d.Path), glob) {
			faults.Warnf(d.Pos, "nothing is watched for it until that folder is there", "glob %q: no folder %q", d.Path, fixed(d.Path))
		}
		for _, p := range found {
			d.Path = p
			out.Directories = append(out.Directories, d)
		}
	}
	return &out, faults
}

// fixed returns the folder in front of the first glob character.
func fixed(pattern string) string {
	return path.Dir(pattern[:strings.IndexAny(pattern, "*?[")] + "x")
}

func exists(p string, glob func(string) ([]string, error)) bool {
	found, err := glob(p)
	return err == nil && len(found) > 0
}

// describe names where an entry was written.
func describe(d *config.Directory) string { return fmt.Sprintf("%s (%s)", d.Path, d.Pos) }
