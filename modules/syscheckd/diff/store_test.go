// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, dir string, quota int64) *Store {
	t.Helper()
	s, err := Open(dir, quota)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func capture(t *testing.T, s *Store, path, content string) {
	t.Helper()
	c := s.Capture(path, 0)
	for piece := range strings.SplitSeq(content, "|") { // written in pieces, as it is read
		if _, err := c.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Done(); err != nil {
		t.Fatal(err)
	}
}

// wantDiff checks a result in the form "before→after", or "why".
func wantDiff(t *testing.T, s *Store, path string, since Since, want string) {
	t.Helper()
	r, err := s.Diff(path, since)
	if err != nil {
		t.Fatal(err)
	}
	got := string(r.Before) + "→" + string(r.After)
	if r.Why != "" {
		got = r.Why
	}
	if got != want {
		t.Errorf("diff of %s: got %q, want %q", path, got, want)
	}
}

func commit(t *testing.T, s *Store) {
	t.Helper()
	if err := s.CommitAll(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreSeenAndAccepted(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	capture(t, s, "/f", "o|ne")
	wantDiff(t, s, "/f", SinceSeen, "no copy of the earlier content")
	commit(t, s)
	capture(t, s, "/f", "two")
	wantDiff(t, s, "/f", SinceSeen, "one→two")
	commit(t, s)
	capture(t, s, "/f", "three")
	wantDiff(t, s, "/f", SinceSeen, "two→three")
	wantDiff(t, s, "/f", SinceAccepted, "one→three")
	if err := s.Accept("/f"); err != nil {
		t.Fatal(err)
	}
	capture(t, s, "/f", "four")
	wantDiff(t, s, "/f", SinceAccepted, "three→four")
}

// TestStoreSurvives reopens the store: what was committed is there, what was
// only staged is not.
func TestStoreSurvives(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	capture(t, s, "/f", "one")
	commit(t, s)
	capture(t, s, "/f", "two")
	again := open(t, dir, 0)
	wantDiff(t, again, "/f", SinceSeen, "no copy of the new content")
	capture(t, again, "/f", "three")
	wantDiff(t, again, "/f", SinceSeen, "one→three")
	if again.Used() != diskUse(t, dir) {
		t.Errorf("account %d bytes, on disk %d", again.Used(), diskUse(t, dir))
	}
}

func diskUse(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum += info.Size()
		if perm := info.Mode().Perm(); perm != 0o600 {
			t.Errorf("copy has mode %o", perm)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestStoreWithoutContent(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	big := strings.Repeat("x", DefaultSizeLimit+1)
	for path, content := range map[string][2]string{
		"/binary": {"a\x00b", "a\x00c"}, "/to-binary": {"text", "\x00"},
		"/large": {big, big + "y"}, "/to-large": {"text", big},
	} {
		capture(t, s, path, content[0])
		commit(t, s)
		capture(t, s, path, content[1])
	}
	wantDiff(t, s, "/binary", SinceSeen, "binary content")
	wantDiff(t, s, "/to-binary", SinceSeen, "binary content")
	wantDiff(t, s, "/large", SinceSeen, "larger than the size limit for diffs")
	wantDiff(t, s, "/to-large", SinceSeen, "larger than the size limit for diffs")
	if s.Used() > 8<<10 {
		t.Errorf("%d bytes kept for content that is not shown", s.Used())
	}
}

func TestStoreQuota(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 4<<10)
	capture(t, s, "/small", "small")
	capture(t, s, "/large", noise(4<<10))
	capture(t, s, "/small2", "small")
	if got := s.Evicted(); len(got) != 1 || got[0] != "/large" {
		t.Errorf("evicted %q, want the largest alone", got)
	}
	if got := s.Evicted(); len(got) != 0 {
		t.Errorf("told of %q twice", got)
	}
	if use := diskUse(t, dir); use > 4<<10 || use != s.Used() {
		t.Errorf("%d bytes on disk, account %d, quota %d", use, s.Used(), 4<<10)
	}
}

// noise is text that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func TestStoreForgets(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	for _, path := range []string{"/gone", "/unwanted", "/kept"} {
		capture(t, s, path, "one")
		commit(t, s)
		capture(t, s, path, "two")
		commit(t, s)
	}
	if err := s.Forget("/gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(func(p string) bool { return p != "/unwanted" }); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, s, "/gone", SinceAccepted, "no copy of the earlier content")
	wantDiff(t, s, "/unwanted", SinceAccepted, "no copy of the earlier content")
	wantDiff(t, s, "/kept", SinceAccepted, "one→two")
	if err := s.AcceptWhere(func(p string) bool { return p == "/kept" }); err != nil {
		t.Fatal(err)
	}
	if use := diskUse(t, dir); use != s.Used() {
		t.Errorf("%d bytes on disk, account %d", use, s.Used())
	}
}

// TestStoreDamaged cuts and flips every copy: a damaged one is never shown.
func TestStoreDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	capture(t, s, "/f", "a text of some length")
	commit(t, s)
	file := filepath.Join(dir, key("/f"))
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		for _, bad := range [][]byte{good[:i], flipped} {
			c, content, err := decode(bytes.NewReader(bad), MaxSizeLimit)
			if err == nil && c.kind == kindText && c.path == "/f" && string(content) != "a text of some length" {
				t.Errorf("byte %d: damaged copy read as %q", i, content)
			}
		}
	}
	if err := os.WriteFile(file, good[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, open(t, dir, 0), "/f", SinceSeen, "no copy of the earlier content")
}

func FuzzDecode(f *testing.F) {
	good, err := encode(aCopy{kind: kindBinary, path: "/f"}, []byte("text"), gzip.NewWriter(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headerSize])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, content, err := decode(bytes.NewReader(data), 1<<10)
		if len(content) > 1<<10+1 || err == nil && len(c.path) > maxPath {
			t.Errorf("%d bytes of content, %d of path", len(content), len(c.path))
		}
	})
}
