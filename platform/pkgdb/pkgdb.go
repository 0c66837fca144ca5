// SPDX-License-Identifier: Apache-2.0

// Package pkgdb reads the package database of a host: which package owns a
// file, and which sum the package gave it. It reads dpkg's text files and
// apk's installed file below a paths.Host, runs no program and writes nothing.
// What an answer means (a setuid file nobody owns, a changed binary) is for
// the caller to say. Whoever is root can change the database as well, so an
// answer is evidence, not proof.
package pkgdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"

	"hids/platform/paths"
)

// ErrNone says that the host has no package database that we can read.
var ErrNone = errors.New("no package database (dpkg, apk)")

// Sum is what a package says of one of its files.
type Sum struct {
	Package string
	Algo    string // "md5" (dpkg) or "sha1" (apk)
	Hex     string // lower case
}

// DB is the package database of one host. It holds no file open and no
// contents: each question reads the database, so ask for many paths at once.
type DB struct {
	host    paths.Host
	format  format
	aliases []string // "/bin/" where /bin is a link to usr/bin, and so on
}

// format walks one kind of database and answers a query from it.
type format interface {
	owners(ctx context.Context, h paths.Host, q *query) error
	sums(ctx context.Context, h paths.Host, q *query) error
}

// Open finds the host's database: dpkg's, then apk's, else ErrNone.
func Open(h paths.Host) (*DB, error) {
	db := &DB{host: h, aliases: mergedDirs(h)}
	switch {
	case isDir(h.Path(dpkgInfo)):
		db.format = dpkg{}
	case exists(h.Path(apkInstalled)):
		db.format = apk{}
	default:
		return nil, ErrNone
	}
	return db, nil
}

// Owners returns the owning package of each path that has one. Paths are
// absolute as the host sees them; where /bin is a link to /usr/bin both
// spellings find the owner. A file that was diverted away belongs, under its
// old name, to the package that diverted it.
func (d *DB) Owners(ctx context.Context, list []string) (map[string]string, error) {
	q := d.query(list)
	if err := d.format.owners(ctx, d.host, q); err != nil {
		return nil, fmt.Errorf("read package database: %w", err)
	}
	owners := make(map[string]string, len(q.found))
	for p, s := range q.found {
		owners[p] = s.Package
	}
	return owners, nil
}

// Sums returns what the packages say of the contents of each path. Paths that
// no package has a sum for (configuration files, most of all) are left out.
func (d *DB) Sums(ctx context.Context, list []string) (map[string]Sum, error) {
	q := d.query(list)
	if err := d.format.sums(ctx, d.host, q); err != nil {
		return nil, fmt.Errorf("read package sums: %w", err)
	}
	maps.DeleteFunc(q.found, func(_ string, s Sum) bool { return s.Hex == "" })
	return q.found, nil
}

// query is the set of paths somebody asked about. Lookups are by canonical
// path, answers by the path that was asked.
type query struct {
	aliases []string
	want    map[string][]string // canonical path to the spellings asked
	found   map[string]Sum
}

func (d *DB) query(list []string) *query {
	q := &query{aliases: d.aliases, want: make(map[string][]string, len(list)), found: make(map[string]Sum)}
	for _, p := range list {
		c := q.canonical(path.Clean(p))
		q.want[c] = append(q.want[c], p)
	}
	return q
}

// canonical puts a path below /usr where the host merged it.
func (q *query) canonical(p string) string {
	for _, a := range q.aliases {
		if strings.HasPrefix(p, a) {
			return "/usr" + p
		}
	}
	return p
}

// wants reports whether a database line is about a path that was asked.
func (q *query) wants(line []byte) bool {
	if _, ok := q.want[string(line)]; ok {
		return true
	}
	for _, a := range q.aliases {
		if len(line) > len(a) && string(line[:len(a)]) == a {
			_, ok := q.want["/usr"+string(line)]
			return ok
		}
	}
	return false
}

func (q *query) answer(p string, s Sum) {
	for _, asked := range q.want[q.canonical(p)] {
		q.found[asked] = s
	}
}

// mergedDirs finds the top-level folders that are links into /usr.
func mergedDirs(h paths.Host) []string {
	var merged []string
	for _, d := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		if to, err := os.Readlink(h.Path(d)); err == nil && (to == "usr"+d || to == "/usr"+d) {
			merged = append(merged, d+"/")
		}
	}
	return merged
}

func isDir(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.IsDir()
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return !errors.Is(err, fs.ErrNotExist)
}
