// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"hids/config"
	"hids/modules/syscheckd/record"
	"hids/platform/fswalk"
)

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "state", "baseline.db") }

func opened(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// published returns a baseline with a finished first scan of the paths.
func published(t *testing.T, path string, paths ...string) *DB {
	t.Helper()
	db := opened(t, path)
	write(t, db, func(w *Writer) error {
		for _, p := range paths {
			if err := w.Seed(p, file(1).Append(nil)); err != nil {
				return err
			}
		}
		return w.Cover("/")
	})
	if err := db.Publish(); err != nil {
		t.Fatal(err)
	}
	return db
}

func write(t *testing.T, db *DB, f func(*Writer) error) {
	t.Helper()
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
}

// file makes a record that differs for each n.
func file(n int64) *record.Record { return &record.Record{Type: record.File, Size: n} }

func differences(t *testing.T, db *DB, paths ...string) []string {
	t.Helper()
	var list []string
	for e, err := range db.Differences(paths...) {
		if err != nil {
			t.Fatal(err)
		}
		size := func(r *record.Record) string {
			if r == nil {
				return "-"
			}
			return fmt.Sprint(r.Size)
		}
		line := e.Path + " " + size(e.Accepted) + " " + size(e.Seen)
		if e.From != "" {
			line += " from " + e.From + " " + size(e.Before)
		}
		list = append(list, line)
	}
	return list
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFirstScanHasNoNameUntilItIsFinished(t *testing.T) {
	p := path(t)
	db := opened(t, p)
	if _, err := OpenReadOnly(p); !errors.Is(err, ErrNone) {
		t.Errorf("before: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = published(t, p, "/a")
	if db.First() {
		t.Error("still first")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(p)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	r, err := OpenReadOnly(p)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok, err := r.Lookup("/a"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	p := path(t)
	db := published(t, p, "/a")
	_, err := Open(p)
	if want := fmt.Sprintf("another scan is running (pid %d)", os.Getpid()); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), want) {
		t.Errorf("second writer: %v", err)
	}
	if _, err := OpenReadOnly(p); !errors.Is(err, ErrBusy) {
		t.Errorf("reader: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, p)
}

func TestLockIsNotLeftToChildren(t *testing.T) {
	if os.Getenv("HIDS_TEST_CHILD") != "" {
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent closes it
		return
	}
	p := path(t)
	db := published(t, p)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe, "-test.run=^TestLockIsNotLeftToChildren$")
	child.Env = append(os.Environ(), "HIDS_TEST_CHILD=1")
	stdin, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = child.Wait()
	}()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, p)
}

func TestSeenAndAcceptedAreTwoThings(t *testing.T) {
	db := published(t, path(t), "/a", "/b", "/c")
	all := config.CheckAll
	write(t, db, func(w *Writer) error {
		return firstError(
			w.Change("/a", file(1), file(2), all), w.Change("/a", file(2), file(3), all),
			w.Delete("/b", file(1)),
			w.Create("/new", file(7), all),
			w.Create("/brief", file(8), all), w.Delete("/brief", file(8)),
			w.Change("/c", file(1), file(9), all), w.Change("/c", file(9), file(1), all))
	})
	expect(t, differences(t, db), "/a 1 3", "/b 1 -", "/new - 7")
	expect(t, differences(t, db, "/b"), "/b 1 -")
	if n, err := db.Accept("/a"); n != 1 || err != nil {
		t.Errorf("accepted %d, %v", n, err)
	}
	expect(t, differences(t, db), "/b 1 -", "/new - 7")
	write(t, db, func(w *Writer) error { return w.Change("/a", file(3), file(4), all) })
	expect(t, differences(t, db), "/a 3 4", "/b 1 -", "/new - 7")
	if n, err := db.Accept(); n != 3 || err != nil {
		t.Errorf("accepted %d, %v", n, err)
	}
	expect(t, differences(t, db))
}

func TestMovesBeforeTheyAreAccepted(t *testing.T) {
	all := config.CheckAll
	for _, tc := range []struct {
		name  string
		do    func(w *Writer) error
		want  []string
		then  string // accepted
		after []string
	}{
		{"once", func(w *Writer) error { return w.Move("/a", "/x", file(1), file(1), all) }, []string{"/x - 1 from /a 1"}, "/x", nil},
		{"accepted by its old place", func(w *Writer) error { return w.Move("/a", "/x", file(1), file(1), all) }, []string{"/x - 1 from /a 1"}, "/a", nil},
		{"twice is once", func(w *Writer) error {
			return firstError(w.Move("/a", "/x", file(1), file(1), all), w.Move("/x", "/y", file(1), file(2), all))
		}, []string{"/y - 2 from /a 1"}, "/y", nil},
		{"and back", func(w *Writer) error {
			return firstError(w.Move("/a", "/x", file(1), file(1), all), w.Move("/x", "/a", file(1), file(1), all))
		}, nil, "/", nil},
		{"and gone", func(w *Writer) error {
			return firstError(w.Move("/a", "/x", file(1), file(1), all), w.Delete("/x", file(1)))
		}, []string{"/a 1 -"}, "/x", []string{"/a 1 -"}},
		{"over another", func(w *Writer) error {
			return firstError(w.Delete("/b", file(1)), w.Move("/a", "/b", file(1), file(5), all))
		}, []string{"/a 1 -", "/b 1 5"}, "/b", []string{"/a 1 -"}},
		{"and its place is taken", func(w *Writer) error {
			return firstError(w.Move("/a", "/x", file(1), file(1), all), w.Create("/a", file(6), all))
		}, []string{"/a 1 6", "/x - 1"}, "/a", []string{"/x - 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := published(t, path(t), "/a", "/b")
			write(t, db, tc.do)
			expect(t, differences(t, db), tc.want...)
			if _, err := db.Accept(tc.then); err != nil {
				t.Fatal(err)
			}
			expect(t, differences(t, db), tc.after...)
		})
	}
}

func TestIteratorsReadRangesAndLetOthersWrite(t *testing.T) {
	var paths []string
	for i := range 2*pageSize + 3 {
		paths = append(paths, fmt.Sprintf("/d/%05d", i))
	}
	db := published(t, path(t), append(paths, "/d", "/d!", "/e", "/")...)
	read := func(under ...string) (got []string) {
		for e, err := range db.All(under...) {
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				write(t, db, func(w *Writer) error { return w.Refresh("/e", file(2).Append(nil)) })
			}
			got = append(got, e.Path)
		}
		return got
	}
	expect(t, read("/d"), append([]string{"/d"}, paths...)...)
	if got := read("/"); len(got) != len(paths)+4 || !slices.IsSortedFunc(got, fswalk.Compare) {
		t.Errorf("%d entries of %d, or not in order", len(got), len(paths)+4)
	}
	if got := read(); len(got) != len(paths)+4 {
		t.Errorf("%d entries of %d", len(got), len(paths)+4)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, p string){
		"no database": func(t *testing.T, p string) { put(t, p, bytes.Repeat([]byte("x"), 1<<16)) },
		"cut short": func(t *testing.T, p string) {
			if err := os.Truncate(p, 3*int64(os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, p string) { put(t, p, make([]byte, 1<<16)) },
		"other schema": func(t *testing.T, p string) {
			b, err := bolt.Open(p, 0o600, nil)
			if err == nil {
				err = b.Update(func(tx *bolt.Tx) error {
					return tx.Bucket([]byte(bucketMeta)).Put([]byte("schema"), binary.BigEndian.AppendUint32(nil, 99))
				})
			}
			if err := errors.Join(err, b.Close()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			if err := published(t, p, "/a").Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, p)
			if db, err := Open(p); err == nil {
				_ = db.Close()
				t.Error("it was opened to write")
			}
			if db, err := OpenReadOnly(p); err == nil {
				_ = db.Close()
				t.Error("it was opened to read")
			}
		})
	}
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMostlyFreeFileIsCopied(t *testing.T) {
	p := path(t)
	db := published(t, p)
	name := strings.Repeat("n", 200)
	many := func(do func(w *Writer, path string) error) {
		for part := range 8 {
			write(t, db, func(w *Writer) error {
				for i := range 8000 {
					if err := do(w, fmt.Sprintf("/%d/%05d%s", part, i, name)); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	db.bolt.NoSync = true
	encoded := file(1).Append(nil)
	many(func(w *Writer, path string) error { return w.Seed(path, encoded) })
	write(t, db, func(w *Writer) error { return w.Seed("/stays", encoded) })
	many(func(w *Writer, path string) error { return w.Drop(path) })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(p)
	if err != nil || before.Size() < compactFrom {
		t.Fatalf("only %d bytes to begin with, %v", before.Size(), err)
	}
	db = opened(t, p)
	after, err := os.Stat(p)
	if err != nil || after.Size() > before.Size()/4 {
		t.Errorf("%d bytes before, %d after, %v", before.Size(), after.Size(), err)
	}
	if _, ok, err := db.Lookup("/stays"); !ok || err != nil {
		t.Errorf("what stays is there: %v, %v", ok, err)
	}
}

func TestCursorGoesOnWhereItWasClosed(t *testing.T) {
	db := published(t, path(t), "/a", "/b", "/b/x", "/b/y", "/b!", "/c")
	c, err := db.Cursor([]byte{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Next()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, db, func(w *Writer) error { return w.Drop("/b") })
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	if got := PathOf(c.Key()); got != "/b/x" {
		t.Errorf("at %q", got)
	}
	if c.SkipBelow("/b"); PathOf(c.Key()) != "/b!" {
		t.Errorf("behind /b is %q", PathOf(c.Key()))
	}
	if c.SkipBelow("/"); c.Key() != nil {
		t.Errorf("behind all is %q", PathOf(c.Key()))
	}
}
