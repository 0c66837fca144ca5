// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Capture takes the content of one file as it is read for its sums, so that a
// file is read once. It is for one goroutine.
type Capture struct {
	store *Store
	path  string
	limit int64
	buf   []byte
	home  *[]byte // where buf came from and goes back to
	large bool
}

// Capture begins to take the content of path. limit is the largest file that
// is kept, in bytes; 0 is DefaultSizeLimit. Exactly one of Done and Abandon
// ends it.
func (s *Store) Capture(path string, limit int64) *Capture {
	if limit <= 0 {
		limit = DefaultSizeLimit
	}
	buf := s.bufs.Get().(*[]byte)
	return &Capture{store: s, path: path, limit: min(limit, MaxSizeLimit), buf: (*buf)[:0], home: buf}
}

// Write takes a piece of the content. It never fails.
func (c *Capture) Write(p []byte) (int, error) {
	switch {
	case c.large:
	case int64(len(c.buf))+int64(len(p)) > c.limit:
		c.large, c.buf = true, c.buf[:0]
	default:
		c.buf = append(c.buf, p...)
	}
	return len(p), nil
}

// Abandon drops what was taken: the file could not be read to its end.
func (c *Capture) Abandon() {
	*c.home = c.buf
	c.store.bufs.Put(c.home)
	c.buf, c.home = nil, nil
}

// Done stages the content, unless it is what is stored already.
func (c *Capture) Done() error {
	defer c.Abandon()
	now, content := c.result()
	old, ok := c.store.lookup(key(c.path) + seen)
	if ok && old.kind == now.kind && old.sum == now.sum {
		return nil
	}
	return c.store.stage(now, content)
}

func (c *Capture) result() (aCopy, []byte) {
	switch {
	case c.large:
		return aCopy{kind: kindLarge, path: c.path}, nil
	case !IsText(c.buf):
		return aCopy{kind: kindBinary, path: c.path}, nil
	}
	return aCopy{kind: kindText, path: c.path, sum: sha256.Sum256(c.buf)}, c.buf
}

// Since says with which earlier content a diff begins.
type Since int

// The two earlier states of a file.
const (
	SinceSeen     Since = iota // the content at the last report
	SinceAccepted              // the content an admin accepted
)

// Result is what changed inside a file. With Why there is no diff, and it says
// the reason; Before and After are then nil.
type Result struct {
	Before, After []byte
	Why           string
}

// Unified returns the diff for people under the given, safe, names.
func (r Result) Unified(oldName, newName string) string {
	return Unified(oldName, newName, r.Before, r.After)
}

// Diff compares the content of path now with an earlier one. For a path that
// was not captured "now" is what was seen last.
func (s *Store) Diff(path string, since Since) (Result, error) {
	k := key(path)
	after := s.first(k+staged, k+seen)
	before := s.first(k + seen)
	if since == SinceAccepted {
		before = s.first(k+accepted, k+seen)
	}
	if before == "" || after == "" {
		return Result{Why: "no copy of the earlier content"}, nil
	}
	return s.compare(before, after)
}

func (s *Store) first(names ...string) string {
	for _, name := range names {
		if _, ok := s.lookup(name); ok {
			return name
		}
	}
	return ""
}

func (s *Store) compare(before, after string) (Result, error) {
	old, oldText, err := s.read(before)
	if err != nil {
		return noCopy(err)
	}
	now, newText, err := s.read(after)
	if err != nil {
		return noCopy(err)
	}
	switch {
	case old.kind == kindLarge || now.kind == kindLarge:
		return Result{Why: "larger than the size limit for diffs"}, nil
	case old.kind == kindBinary || now.kind == kindBinary:
		return Result{Why: "binary content"}, nil
	case before == after:
		return Result{Why: "no copy of the new content"}, nil
	}
	return Result{Before: oldText, After: newText}, nil
}

// noCopy answers for a copy that cannot be used: a damaged one is no fault of
// the scan, anything else is.
func noCopy(err error) (Result, error) {
	res := Result{Why: "the copy of the earlier content is damaged"}
	if errors.Is(err, errCorrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
		return res, nil
	}
	return res, fmt.Errorf("read a copy: %w", err)
}

func (s *Store) read(name string) (aCopy, []byte, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return aCopy{}, nil, err
	}
	defer f.Close()
	return decode(f, MaxSizeLimit)
}
