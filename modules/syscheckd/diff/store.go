// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

const (
	// DefaultSizeLimit is how large a file may be, in bytes, to be kept, where
	// its directory sets no limit.
	DefaultSizeLimit = 1 << 20
	// MaxSizeLimit bounds what a configuration may set: a capture holds its
	// file in memory.
	MaxSizeLimit = 16 << 20
	// DefaultQuota is the size of all copies together, in bytes.
	DefaultQuota = 256 << 20
)

// The names a copy has in its life: staged while a scan runs, seen once the
// baseline has moved on, accepted when an admin has yet to accept what is seen.
const (
	staged   = ".new"
	seen     = ""
	accepted = ".accepted"
)

// Store keeps the copies of one installation. Its methods may be called by many
// goroutines at once, each on another path.
//
// A scan stages the content of changed files (Capture), asks for diffs (Diff),
// and calls Commit for each path, or CommitAll, once the baseline holds what it
// found. What is staged when it dies is dropped by the next Open and found
// again by the next scan.
type Store struct {
	root  *os.Root
	quota int64
	zips  sync.Pool // *gzip.Writer
	bufs  sync.Pool // *[]byte, of captures

	mu      sync.Mutex // guards what follows
	copies  map[string]entry
	used    int64
	evicted []string
}

type entry struct {
	aCopy
	size int64 // on disk
}

// Open opens the store in dir, which it makes if needed, for this user only.
// quota is in bytes on disk; 0 is DefaultQuota.
func Open(dir string, quota int64) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for report_changes: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of report_changes: %w", err)
	}
	if quota <= 0 {
		quota = DefaultQuota
	}
	s := &Store{root: root, quota: quota, copies: map[string]entry{}}
	s.zips.New = func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		return w
	}
	s.bufs.New = func() any { return new([]byte) }
	if err := s.load(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close releases the store.
func (s *Store) Close() error { return s.root.Close() }

// load lists the copies and drops what a killed scan or a full disk left.
func (s *Store) load() error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list the copies of report_changes: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		c, size, err := s.header(name)
		if err != nil || strings.HasSuffix(name, staged) || name != key(c.path)+filepath.Ext(name) {
			if err := s.root.Remove(name); err != nil {
				return fmt.Errorf("drop a left-over copy: %w", err)
			}
			continue
		}
		s.copies[name] = entry{aCopy: c, size: size}
		s.used += size
	}
	return nil
}

func (s *Store) header(name string) (aCopy, int64, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return aCopy{}, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return aCopy{}, 0, err
	}
	c, err := decodeHeader(f)
	return c, info.Size(), err
}

func (s *Store) lookup(name string) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.copies[name]
	return e, ok
}

// stage stores content as what is at path now.
func (s *Store) stage(c aCopy, content []byte) error {
	zip := s.zips.Get().(*gzip.Writer)
	defer s.zips.Put(zip)
	data, err := encode(c, content, zip)
	if err != nil {
		return fmt.Errorf("pack a copy: %w", err)
	}
	name := key(c.path) + staged
	if err := s.write(name, data); err != nil {
		return fmt.Errorf("store a copy for report_changes: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(name, entry{aCopy: c, size: int64(len(data))})
	return s.makeRoom()
}

// write replaces a file whole. It does not wait for the disk: what a power
// failure damages is a diff, and a damaged copy counts as none.
func (s *Store) write(name string, data []byte) error {
	tmp := rand.Text() + staged
	if err := s.root.WriteFile(tmp, data, 0o600); err != nil {
		return errors.Join(err, ignoreAbsent(s.root.Remove(tmp)))
	}
	return s.root.Rename(tmp, name)
}

// set and drop keep the account; the caller holds mu.
func (s *Store) set(name string, e entry) {
	s.used += e.size - s.copies[name].size
	s.copies[name] = e
}

func (s *Store) drop(name string) {
	s.used -= s.copies[name].size
	delete(s.copies, name)
}

// makeRoom drops the largest copies until all fit in the quota: that loses the
// fewest diffs, and whoever fills the quota on purpose loses their own first.
// The caller holds mu.
func (s *Store) makeRoom() error {
	for s.used > s.quota {
		name := s.largest()
		s.evicted = append(s.evicted, s.copies[name].path)
		if err := s.remove(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) largest() string {
	name := ""
	for n, e := range s.copies {
		if name == "" || e.size > s.copies[name].size || e.size == s.copies[name].size && n < name {
			name = n
		}
	}
	return name
}

// remove deletes a copy if there is one. The caller holds mu.
func (s *Store) remove(name string) error {
	if _, ok := s.copies[name]; !ok {
		return nil
	}
	s.drop(name)
	if err := ignoreAbsent(s.root.Remove(name)); err != nil {
		return fmt.Errorf("remove a copy: %w", err)
	}
	return nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// move renames a copy if there is one. The caller holds mu.
func (s *Store) move(from, to string) error {
	e, ok := s.copies[from]
	if !ok {
		return nil
	}
	if err := s.root.Rename(from, to); err != nil {
		return fmt.Errorf("move a copy on: %w", err)
	}
	s.drop(from)
	s.set(to, e)
	return nil
}

// Commit makes what is staged for path the copy that was seen. The copy it
// replaces stays as the accepted one until Accept.
func (s *Store) Commit(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(key(path))
}

func (s *Store) commit(k string) error {
	if _, ok := s.copies[k+staged]; !ok {
		return nil
	}
	if _, ok := s.copies[k+accepted]; !ok {
		if err := s.move(k+seen, k+accepted); err != nil {
			return err
		}
	}
	return s.move(k+staged, k+seen)
}

// CommitAll commits whatever is staged.
func (s *Store) CommitAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, name := range s.names(staged) {
		errs = append(errs, s.commit(strings.TrimSuffix(name, staged)))
	}
	return errors.Join(errs...)
}

// Accept makes what is seen at path the accepted copy.
func (s *Store) Accept(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key(path)
	return errors.Join(s.commit(k), s.remove(k+accepted))
}

// AcceptWhere accepts what is seen at every path for which which is true.
func (s *Store) AcceptWhere(which func(path string) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, name := range s.names(accepted) {
		if which(s.copies[name].path) {
			errs = append(errs, s.remove(name))
		}
	}
	return errors.Join(errs...)
}

// Forget removes every copy of a path that is gone or no longer wanted.
func (s *Store) Forget(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key(path)
	return errors.Join(s.remove(k+staged), s.remove(k+seen), s.remove(k+accepted))
}

// Prune removes the copies of all paths for which wanted is false.
func (s *Store) Prune(wanted func(path string) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for name, e := range s.copies {
		if !wanted(e.path) {
			errs = append(errs, s.remove(name))
		}
	}
	return errors.Join(errs...)
}

// names lists the copies with a suffix, in order. The caller holds mu.
func (s *Store) names(suffix string) []string {
	var out []string
	for name := range s.copies {
		if filepath.Ext(name) == suffix {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Evicted returns the paths whose copies the quota did not allow since it was
// last asked: their next change is reported without a diff.
func (s *Store) Evicted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.evicted
	s.evicted = nil
	return out
}

// Used returns the bytes on disk.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
