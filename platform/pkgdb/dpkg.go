// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"hids/platform/hostfile"
)

// dpkg(1), FILES: info/PACKAGE[:ARCH].list and .md5sums, diversions.
const (
	dpkgInfo       = "/var/lib/dpkg/info"
	dpkgDiversions = "/var/lib/dpkg/diversions"

	maxDpkg = 64 << 20 // bytes of one file
)

type dpkg struct{}

// diversion moves every package's FROM to TO, except the one's that asked.
type diversion struct{ from, to, pkg string }

func (dpkg) owners(ctx context.Context, files *hostfile.FS, q *query) error {
	div, err := readDiversions(files)
	if err != nil {
		return err
	}
	away := expect(q, div)
	return eachInfo(ctx, files, ".list", func(pkg string, data []byte) {
		for line := range bytes.Lines(data) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if len(line) > 0 && (q.wants(line) || away[string(line)] != nil) {
				resolve(q, away[string(line)], string(line), Sum{Package: pkg})
			}
		}
	})
}

func (dpkg) sums(ctx context.Context, files *hostfile.FS, q *query) error {
	div, err := readDiversions(files)
	if err != nil {
		return err
	}
	away := expect(q, div)
	abs := make([]byte, 0, 512)
	return eachInfo(ctx, files, ".md5sums", func(pkg string, data []byte) {
		for line := range bytes.Lines(data) {
			sum, name, ok := parseMD5Line(line)
			if !ok {
				continue
			}
			abs = append(append(abs[:0], '/'), name...)
			if q.wants(abs) || away[string(abs)] != nil {
				resolve(q, away[string(abs)], string(abs), Sum{Package: pkg, Algo: "md5", Hex: string(sum)})
			}
		}
	})
}

// resolve says where the package's file is once diversions are applied.
func resolve(q *query, d *diversion, p string, s Sum) {
	if d != nil && d.pkg != s.Package {
		p = d.to
	}
	q.answer(p, s)
}

// expect returns the diversions by the path they move.
func expect(q *query, div []diversion) map[string]*diversion {
	away := make(map[string]*diversion, len(div))
	for i := range div {
		away[div[i].from] = &div[i]
		away[q.canonical(div[i].from)] = &div[i]
	}
	return away
}

// parseMD5Line splits "0123…  usr/bin/x".
func parseMD5Line(line []byte) (sum, name []byte, ok bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if len(line) < 35 || line[32] != ' ' || line[33] != ' ' {
		return nil, nil, false
	}
	return line[:32], line[34:], true
}

func readDiversions(files *hostfile.FS) ([]diversion, error) {
	data, err := files.ReadFile(dpkgDiversions, maxDpkg)
	if hostfile.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseDiversions(data), nil
}

// parseDiversions reads lines in threes: from, to, package. A package of ":"
// is a local diversion, which no package is exempt from.
func parseDiversions(data []byte) []diversion {
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	var div []diversion
	for i := 0; i+2 < len(lines); i += 3 {
		div = append(div, diversion{from: lines[i], to: lines[i+1], pkg: lines[i+2]})
	}
	return div
}

// eachInfo calls f with the contents of every info file that ends in suffix.
// The contents are only valid during the call. One that can't be read keeps
// nobody from the others, and is the error in the end.
func eachInfo(ctx context.Context, files *hostfile.FS, suffix string, f func(pkg string, data []byte)) error {
	d, err := files.OpenDir(dpkgInfo, true)
	if err != nil {
		return err
	}
	names, err := d.Names(-1)
	d.Close()
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	var failed leftOut
	for _, name := range names {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readInto(&buf, files, path.Join(dpkgInfo, name)); err != nil {
			failed.add(err)
			continue
		}
		pkg, _, _ := strings.Cut(base, ":")
		f(pkg, buf.Bytes())
	}
	return failed.err()
}

// leftOut counts packages that can't be read and keeps the first reason.
type leftOut struct {
	first error
	n     int
}

func (l *leftOut) add(err error) {
	if l.n++; l.first == nil {
		l.first = err
	}
}

func (l *leftOut) err() error {
	if l.n > 1 {
		return fmt.Errorf("%w (and %d more packages)", l.first, l.n-1)
	}
	return l.first
}

// readInto replaces the buffer's contents with the file's. A package that is
// removed while we read is no error.
func readInto(buf *bytes.Buffer, files *hostfile.FS, p string) error {
	buf.Reset()
	f, _, err := files.Open(p)
	if hostfile.Gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := buf.ReadFrom(io.LimitReader(f, maxDpkg+1))
	if err == nil && n > maxDpkg {
		err = &fs.PathError{Op: "read", Path: p, Err: hostfile.ErrTooLarge}
	}
	return err
}
