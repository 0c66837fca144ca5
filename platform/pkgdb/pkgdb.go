// SPDX-License-Identifier: Apache-2.0

// Package pkgdb reads the package databases of a host: which package owns a
// file, and which sum the package gave it. It reads dpkg's text files, rpm's
// database and apk's installed file below a paths.Host, runs no program and
// writes nothing. Whoever is root on the host can write all of these, so what
// is read is bounded, and nothing in it can hang or crash us. What an answer
// means (a setuid file nobody owns, a changed binary) is for the caller to
// say: an answer is evidence, not proof.
package pkgdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"hids/platform/hostfile"
	"hids/platform/paths"
)

// ErrNone says that the host has no package database that we can read.
var ErrNone = errors.New("no package database (dpkg, rpm, apk)")

// Sum is what a package says of one of its files.
type Sum struct {
	Package string
	Algo    string // "md5" (dpkg, old rpm), "sha1" (apk), "sha256" (rpm), also "sha224", "sha384" or "sha512"
	Hex     string // lower case
}

// DB is the package database of one host. It holds no file open and no
// contents: each question reads the database, so ask for many paths at once.
type DB struct {
	host    paths.Host
	formats []format
	aliases []alias
}

// format walks one kind of database and answers a query from it.
type format interface {
	owners(ctx context.Context, files *hostfile.FS, q *query) error
	sums(ctx context.Context, files *hostfile.FS, q *query) error
}

// Open finds the host's databases; without any it is ErrNone. A host may have
// two: rpm on Debian, for a build, or dpkg on Fedora. One of them is empty
// then, so both are asked.
func Open(h paths.Host) (*DB, error) {
	files, err := hostfile.New(h.Root)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	db := &DB{host: h, aliases: merged(files)}
	if info, err := files.Stat(dpkgInfo); err == nil && info.IsDir() {
		db.formats = append(db.formats, dpkg{})
	}
	for _, name := range rpmFiles() {
		// A second place of the same system is a link to the first.
		if files.Exists(name) {
			db.formats = append(db.formats, rpm{name})
			break
		}
	}
	if files.Exists(apkInstalled) {
		db.formats = append(db.formats, apk{})
	}
	if len(db.formats) == 0 {
		return nil, ErrNone
	}
	return db, nil
}

// Owners returns the owning package of each path that has one. Paths are
// absolute as the host sees them; where /bin is a link to /usr/bin both
// spellings find the owner. A file that was diverted away belongs, under its
// old name, to the package that diverted it. With an error the answers of what
// could be read are there all the same.
func (d *DB) Owners(ctx context.Context, list []string) (map[string]string, error) {
	q, err := d.ask(ctx, list, format.owners)
	owners := make(map[string]string, len(q.found))
	for p, s := range q.found {
		owners[p] = s.Package
	}
	return owners, err
}

// Sums returns what the packages say of the contents of each path. Paths that
// no package has a sum for (configuration files, most of all) are left out.
func (d *DB) Sums(ctx context.Context, list []string) (map[string]Sum, error) {
	q, err := d.ask(ctx, list, format.sums)
	maps.DeleteFunc(q.found, func(_ string, s Sum) bool { return s.Hex == "" })
	return q.found, err
}

func (d *DB) ask(ctx context.Context, list []string, question func(format, context.Context, *hostfile.FS, *query) error) (*query, error) {
	q := d.query(list)
	files, err := hostfile.New(d.host.Root)
	if err != nil {
		return q, fmt.Errorf("read package database: %w", err)
	}
	defer files.Close()
	var errs []error
	for _, f := range d.formats {
		if err := question(f, ctx, files, q); err != nil {
			errs = append(errs, fmt.Errorf("read package database: %w", err))
		}
	}
	return q, errors.Join(errs...)
}

// query is the set of paths somebody asked about. Lookups are by canonical
// path, answers by the path that was asked.
type query struct {
	aliases []alias
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

// canonical puts a path where the host merged its folder into another one.
func (q *query) canonical(p string) string {
	for range len(q.aliases) {
		to := q.merge(p)
		if to == p {
			break
		}
		p = to
	}
	return p
}

func (q *query) merge(p string) string {
	for _, a := range q.aliases {
		if strings.HasPrefix(p, a.from) {
			return a.to + p[len(a.from):]
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
		if len(line) > len(a.from) && string(line[:len(a.from)]) == a.from {
			_, ok := q.want[q.canonical(string(line))]
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

// alias is a folder that is a link to another: "/bin/" to "/usr/bin/".
type alias struct{ from, to string }

// merged finds the folders of programs and libraries that are links to others,
// on a merged /usr and on systems where sbin is bin.
func merged(files *hostfile.FS) []alias {
	var list []alias
	for _, d := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib64"} {
		to, err := files.Readlink(d)
		if err != nil || to == "" {
			continue
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(d), to)
		}
		if to = path.Clean(to); strings.HasPrefix(to, "/usr/") && to != d {
			list = append(list, alias{d + "/", to + "/"})
		}
	}
	return list
}
