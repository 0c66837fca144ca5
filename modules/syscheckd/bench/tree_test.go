// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// tree is a generated tree.
type tree struct {
	name     string
	files    int
	size     int
	perDir   int
	scaleLen bool // scale the size of the files, not their number
}

func trees() []tree {
	return []tree{
		{name: "small", files: 100_000, size: 4 << 10, perDir: 100},
		{name: "large", files: 64, size: 64 << 20, perDir: 64, scaleLen: true},
	}
}

func scaled(tb testing.TB, t tree) tree {
	tb.Helper()
	text := os.Getenv("HIDS_BENCH_SCALE")
	if text == "" {
		return t
	}
	by, err := strconv.Atoi(text)
	if err != nil || by < 1 {
		tb.Fatalf("HIDS_BENCH_SCALE is %q, not a whole number above 0", text)
	}
	if t.scaleLen {
		t.size = max(t.size/by, 1)
	} else {
		t.files = max(t.files/by, 1)
	}
	return t
}

// make returns the folder that holds the tree, made now unless it is kept.
func (t tree) make(tb testing.TB) string {
	tb.Helper()
	base := os.Getenv("HIDS_BENCH_DIR")
	if base == "" {
		base = tb.TempDir()
	}
	base, err := filepath.Abs(base)
	if err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(base, fmt.Sprintf("%s-%d-%d", t.name, t.files, t.size))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := t.generate(dir + ".part"); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(dir+".part", dir); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// generate fills dir with files of the same pseudo-random content each time,
// no two alike.
func (t tree) generate(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	content := make([]byte, t.size)
	if _, err := rand.NewChaCha8([32]byte{}).Read(content); err != nil {
		return err
	}
	for i := range t.files {
		sub := filepath.Join(dir, fmt.Sprintf("d%03d", i/t.perDir%10), fmt.Sprintf("d%05d", i/t.perDir))
		if i%t.perDir == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		if len(content) >= 8 {
			binary.LittleEndian.PutUint64(content, uint64(i))
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%06d", i)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
