// SPDX-License-Identifier: Apache-2.0

package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hids/modules/execd/journal"
)

func open(t *testing.T, path string, want ...string) *journal.Journal {
	t.Helper()
	j, c, err := journal.Open(path)
	if err != nil || c.Damage != nil {
		t.Fatal(err, c.Damage)
	}
	check(t, c, want...)
	if err := j.Rewrite(slices.Values(c.Records)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func check(t *testing.T, c journal.Contents, want ...string) {
	t.Helper()
	if got := string(bytes.Join(c.Records, []byte(" "))); got != strings.Join(want, " ") {
		t.Fatalf("journal holds %q, want %q", got, want)
	}
}

func write(t *testing.T, j *journal.Journal, durable bool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Commit(durable); err != nil {
		t.Fatal(err)
	}
}

// A journal that can't be replaced leaves no half of a new one on a full disk.
func TestRewriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := j.Rewrite(slices.Values([][]byte{[]byte("e")})); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("the new one: %v", err)
	}
}

func TestRecordsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	write(t, j, true, "a", "b")
	write(t, j, false, "c")
	// No Close: whoever died does not close either.
	j = open(t, path, "a", "b", "c")
	write(t, j, true, "d")
	if err := j.Rewrite(slices.Values([][]byte{[]byte("e")})); err != nil {
		t.Fatal(err)
	}
	write(t, j, true, "f")
	open(t, path, "e", "f")
}

func TestManyRecordsCrossTheFilledSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	var want []string
	for i := range 3000 {
		r := fmt.Sprintf("%d-%s", i, strings.Repeat("x", 200))
		want = append(want, r)
		write(t, j, false, r)
	}
	open(t, path, want...)
}

// Whatever the last write left of itself, the records before it are there.
func TestTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	write(t, j, true, "first", "second")
	before := int(j.Size())
	write(t, j, true, "third")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := before; cut < int(j.Size()); cut++ {
		torn := append(bytes.Clone(whole[:cut]), make([]byte, 100)...)
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		_, c, err := journal.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		check(t, c, "first", "second")
	}
}

func TestDamageInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	write(t, j, true, "first", "second", "third")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("second"))] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, c, err := journal.Open(path)
	if err != nil || c.Damage == nil {
		t.Fatalf("damage %v, %v", c.Damage, err)
	}
	check(t, c, "first", "third")
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(kept, data) {
		t.Errorf("the damaged file was not kept: %v", err)
	}
}

func TestLimits(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	if j.Append(nil) == nil || j.Append(make([]byte, journal.MaxRecord+1)) == nil {
		t.Error("took a record it could not read back")
	}
}

func TestNoFolder(t *testing.T) {
	j, _, err := journal.Open(filepath.Join(t.TempDir(), "no", "j"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Rewrite(slices.Values([][]byte{})); err == nil {
		t.Error("wrote into a folder that is not there")
	}
	if err := j.Append([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(true); err == nil {
		t.Error("committed to nothing")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("hidsjrn1\x01\x00\x00\x00xxxxa"))
	path := filepath.Join(f.TempDir(), "j")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := journal.Open(path); err != nil {
			t.Fatal(err)
		}
	})
}
