// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header makes a package's header of entries by tag.
type header struct{ index, data []byte }

func (h *header) add(tag, kind, count uint32, data []byte) {
	for kind == typeInt32 && len(h.data)%4 != 0 {
		h.data = append(h.data, 0)
	}
	for _, n := range []uint32{tag, kind, uint32(len(h.data)), count} {
		h.index = binary.BigEndian.AppendUint32(h.index, n)
	}
	h.data = append(h.data, data...)
}

func (h *header) strings(tag, kind uint32, list ...string) {
	h.add(tag, kind, uint32(len(list)), []byte(strings.Join(list, "\x00")+"\x00"))
}

func (h *header) numbers(tag uint32, list ...uint32) {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	h.add(tag, typeInt32, uint32(len(list)), b)
}

func (h *header) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(h.index)/16))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.data)))
	return append(append(b, h.index...), h.data...)
}

// madeUp is a package with a file of each sort.
func madeUp(name string) []byte {
	var h header
	h.strings(tagName, typeString, name)
	h.strings(tagBaseNames, typeStrings, "tool", "app.conf", "replaced", "volatile", "dir")
	h.strings(tagDirNames, typeStrings, "/usr/bin/", "/etc/")
	h.numbers(tagDirIndexes, 0, 1, 0, 0, 1)
	h.strings(tagFileDigests, typeStrings, "aa", "bb", "cc", "dd", "")
	h.numbers(tagFileFlags, 0, 1, 0, 0, 0)
	h.numbers(tagFileVerify, ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(1), ^uint32(0))
	h.add(tagFileStates, 1, 5, []byte{0, 0, 1, 0, 0})
	h.numbers(tagFileDigestAlgo, 8)
	return h.bytes()
}

func TestHeader(t *testing.T) {
	var installed, fixed []string
	err := parseRPMHeader(madeUp("p"), func(f *rpmFile) {
		if f.installed() {
			installed = append(installed, string(f.path))
		}
		if f.installed() && f.fixed() {
			fixed = append(fixed, fmt.Sprintf("%s %s %s %s", f.pkg, f.path, f.algo, f.digest))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/usr/bin/tool", "/etc/app.conf", "/usr/bin/volatile", "/etc/dir"}, installed); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"p /usr/bin/tool sha256 aa"}, fixed); diff != "" {
		t.Errorf("fixed (-want +got):\n%s", diff)
	}
	whole := madeUp("p")
	for n := range len(whole) {
		if err := parseRPMHeader(whole[:n], func(*rpmFile) {}); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a header", n, len(whole))
		}
	}
}

// ndbFile makes a database of rpm's own format.
func ndbFile(headers ...[]byte) []byte {
	const page = 4096
	le := binary.LittleEndian
	b := append([]byte("RpmP"), make([]byte, page-4)...)
	le.PutUint32(b[12:], 1)
	for at := 16 * 2; at < page; at += 16 {
		copy(b[at:], "Slot")
	}
	for i, h := range headers {
		slot := b[16*(i+3):] // the one before stays free
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(b)/16))
		le.PutUint32(slot[12:], uint32(len(h)/16+2))
		blob := append([]byte("BlbS"), make([]byte, 12)...)
		le.PutUint32(blob[4:], uint32(i+1))
		le.PutUint32(blob[12:], uint32(len(h)))
		blob = append(append(blob, h...), make([]byte, 28)...)
		b = append(b, blob[:len(blob)/16*16]...)
	}
	return b
}

// bdbFile makes a Berkeley DB with each header on a chain of overflow pages, or
// in the page of its key if it is small.
func bdbFile(order binary.AppendByteOrder, headers ...[]byte) []byte {
	const page = 512
	pages := [][]byte{make([]byte, page), make([]byte, page)}
	hash, end, n := pages[1], page, 0
	put := func(item []byte) {
		end -= len(item)
		copy(hash[end:], item)
		order.(binary.ByteOrder).PutUint16(hash[bdbHead+2*n:], uint16(end))
		n++
	}
	for i, h := range headers {
		put(append([]byte{bdbInPage}, order.AppendUint32(nil, uint32(i))...))
		if len(h) < 100 {
			put(append([]byte{bdbInPage}, h...))
			continue
		}
		put(order.AppendUint32(order.AppendUint32([]byte{bdbElsewhere, 0, 0, 0}, uint32(len(pages))), uint32(len(h))))
		for rest := h; len(rest) > 0; {
			part := make([]byte, page)
			size := copy(part[bdbHead:], rest)
			rest = rest[size:]
			part[25] = bdbOverflow
			order.(binary.ByteOrder).PutUint16(part[22:], uint16(size))
			if pages = append(pages, part); len(rest) > 0 {
				order.(binary.ByteOrder).PutUint32(part[16:], uint32(len(pages)))
			}
		}
	}
	hash[25] = bdbSorted
	order.(binary.ByteOrder).PutUint16(hash[20:], uint16(n))
	for at, v := range map[int]uint32{12: bdbMagic, 20: page, 32: uint32(len(pages) - 1)} {
		order.(binary.ByteOrder).PutUint32(pages[0][at:], v)
	}
	return bytes.Join(pages, nil)
}

// packages lists the names of what a database holds.
func packages(db []byte) ([]string, error) {
	var names []string
	err := rpmHeaders(bytes.NewReader(db), int64(len(db)), nil, func(h []byte) error {
		last := ""
		err := parseRPMHeader(h, func(f *rpmFile) { last = f.pkg })
		names = append(names, last)
		return err
	})
	return names, err
}

func TestRPMFormats(t *testing.T) {
	small, err := os.ReadFile("testdata/small.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	var tiny header
	tiny.strings(tagName, typeString, "gpg-pubkey")
	for name, db := range map[string][]byte{
		"ndb":                  ndbFile(tiny.bytes(), madeUp("one"), madeUp("two")),
		"bdb, little-endian":   bdbFile(binary.LittleEndian, tiny.bytes(), madeUp("one"), madeUp("two")),
		"bdb, big-endian":      bdbFile(binary.BigEndian, tiny.bytes(), madeUp("one"), madeUp("two")),
		"sqlite, pages of 512": small,
	} {
		got, err := packages(db)
		if diff := cmp.Diff([]string{"", "one", "two"}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		for n := 600; n < len(db)-512; n += 97 { // an interrupted copy
			if got, err := packages(db[:n]); err == nil && len(got) == 3 {
				t.Errorf("%s: all packages are in the first %d of %d bytes", name, n, len(db))
			}
		}
	}
	if got, err := packages(nil); len(got) > 0 || err != nil {
		t.Errorf("an empty file holds %v, %v", got, err)
	}
	if _, err := packages(make([]byte, 4096)); !errors.Is(err, errRPM) {
		t.Errorf("zeros: %v", err)
	}
}

// TestRPMCycles: chains of pages that lead back to themselves come to an end.
func TestRPMCycles(t *testing.T) {
	db := bdbFile(binary.LittleEndian, madeUp("one"))
	binary.LittleEndian.PutUint32(db[2*512+16:], 2)
	binary.LittleEndian.PutUint32(db[512+503:], uint32(len(db))) // nothing but the bound on pages ends it
	if _, err := packages(db); !errors.Is(err, errRPM) {
		t.Errorf("bdb: %v", err)
	}
	small, err := os.ReadFile("testdata/small.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	for page := 512; page < len(small); page += 512 { // every page leads to itself and to the first
		for _, to := range []int{1, page/512 + 1} {
			broken := bytes.Clone(small)
			binary.BigEndian.PutUint32(broken[page:], uint32(to))
			binary.BigEndian.PutUint32(broken[page+8:], uint32(to))
			packages(broken)
		}
	}
}

// TestRPMAmplified: what points to the same bytes again and again, or makes long
// names of few bytes, is refused before it takes all day.
func TestRPMAmplified(t *testing.T) {
	db := ndbFile(madeUp("one"), madeUp("one"), madeUp("one"))
	le := binary.LittleEndian
	for at := 16 * 4; at < 4096; at += 16 { // every slot has the first package's blob
		copy(db[at:], "Slot")
		le.PutUint32(db[at+4:], 1)
		copy(db[at+8:at+16], db[16*3+8:])
	}
	if got, err := packages(db); !errors.Is(err, errRPM) || len(got) > len(db)/len(madeUp("one")) {
		t.Errorf("%d packages, %v", len(got), err)
	}
	var h header
	h.strings(tagName, typeString, "long")
	h.strings(tagBaseNames, typeStrings, "a", "b")
	h.strings(tagDirNames, typeStrings, "/"+strings.Repeat("x", 1<<20)+"/")
	h.numbers(tagDirIndexes, 0, 0)
	if err := parseRPMHeader(h.bytes(), func(*rpmFile) { t.Error("a path of a megabyte") }); !errors.Is(err, errRPM) {
		t.Errorf("a long folder: %v", err)
	}
}

// TestRPMMemory: what a database claims to hold takes no more memory than what
// it does hold.
func TestRPMMemory(t *testing.T) {
	const claimed = 4 << 20
	row := append([]byte{0x82, 0x80, 0x80, 0x04}, make([]byte, claimed)...) // a head of values without content
	var amplified header
	amplified.strings(tagName, typeString, "p")
	for _, tag := range []uint32{tagBaseNames, tagDirNames, tagFileDigests} {
		amplified.add(tag, typeStrings, maxRPMFiles, nil)
	}
	for name, read := range map[string]func(){
		"row": func() {
			if values, err := record(row); len(values) != maxValues || err != nil {
				t.Errorf("row: %d values, %v", len(values), err)
			}
		},
		"header": func() {
			if err := parseRPMHeader(amplified.bytes(), func(*rpmFile) { t.Error("a file") }); err != nil {
				t.Errorf("header: %v", err)
			}
		},
	} {
		if got := allocated(read); got > 64<<10 {
			t.Errorf("%s: takes %d bytes", name, got)
		}
	}
}

// TestRPMLargeHeader: a package of as many files as a kernel's, which takes
// little beside the header itself.
func TestRPMLargeHeader(t *testing.T) {
	const files = 60_000
	bases, dirs := make([]string, files), make([]string, files)
	digests, dirOf := make([]string, files), make([]uint32, files)
	for i := range files {
		bases[i], dirs[i], dirOf[i] = fmt.Sprintf("file%d.ko.xz", i), fmt.Sprintf("/usr/lib/modules/%0150d/", i), uint32(i)
		digests[i] = strings.Repeat("a", 64)
	}
	var h header
	h.strings(tagName, typeString, "kernel")
	h.strings(tagBaseNames, typeStrings, bases...)
	h.strings(tagDirNames, typeStrings, dirs...)
	h.strings(tagFileDigests, typeStrings, digests...)
	h.numbers(tagDirIndexes, dirOf...)
	whole, seen := h.bytes(), 0
	if len(whole) < 14<<20 {
		t.Fatalf("the header has %d bytes", len(whole))
	}
	got := allocated(func() {
		if err := parseRPMHeader(whole, func(f *rpmFile) { seen += len(f.digest) }); err != nil {
			t.Error(err)
		}
	})
	if seen != 64*files || got > 2<<20 {
		t.Errorf("%d bytes of sums, takes %d bytes", seen, got)
	}
}

// allocated is how many bytes a function asks for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTwoDatabases(t *testing.T) {
	h := tree(t, map[string]string{
		"var/lib/dpkg/info/x":      "",
		"var/lib/rpm/Packages.db":  string(ndbFile(madeUp("one"))),
		"usr/bin/tool":             "",
		"usr/lib/x":                "",
		"lib/apk/db/installed":     "P:base\nF:opt\nR:motd\n",
		"var/lib/dpkg/info/d.list": "/usr/lib/x\n",
	})
	for from, to := range map[string]string{"bin": "usr/sbin", "usr/sbin": "bin"} { // as on Fedora 42
		if err := os.Symlink(to, filepath.Join(h.Root, from)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Owners(t.Context(), []string{"/bin/tool", "/usr/bin/tool", "/usr/sbin/tool", "/usr/lib/x", "/opt/motd", "/usr/bin/replaced"})
	want := map[string]string{"/bin/tool": "one", "/usr/bin/tool": "one", "/usr/sbin/tool": "one", "/usr/lib/x": "d", "/opt/motd": "base"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("owners: %v (-want +got):\n%s", err, diff)
	}
	sums, err := db.Sums(t.Context(), []string{"/bin/tool", "/etc/app.conf"})
	if diff := cmp.Diff(map[string]Sum{"/bin/tool": {"one", "sha256", "aa"}}, sums); diff != "" || err != nil {
		t.Errorf("sums: %v (-want +got):\n%s", err, diff)
	}

	// So is a header that makes no sense, and what is behind it answers.
	if err := os.WriteFile(h.Path("/var/lib/rpm/Packages.db"), ndbFile(madeUp("bad")[:40], madeUp("one")), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err = db.Owners(t.Context(), []string{"/usr/bin/tool"})
	if !errors.Is(err, errRPM) || got["/usr/bin/tool"] != "one" {
		t.Errorf("behind a damaged header: %v, %v", got, err)
	}

	// A damaged database is an error, and the others answer all the same.
	if err := os.WriteFile(h.Path("/var/lib/rpm/Packages.db"), []byte("nonsense that is long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err = db.Owners(t.Context(), []string{"/usr/bin/tool", "/usr/lib/x"})
	if !errors.Is(err, errRPM) || got["/usr/lib/x"] != "d" || strings.Count(err.Error(), "Packages.db") != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzRPM(f *testing.F) {
	small, err := os.ReadFile("testdata/small.sqlite")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	f.Add(ndbFile(madeUp("one"), madeUp("two")))
	f.Add(bdbFile(binary.LittleEndian, madeUp("one"), madeUp("two")))
	f.Add(bdbFile(binary.BigEndian, madeUp("one")))
	f.Fuzz(func(_ *testing.T, db []byte) { packages(db) })
}

func FuzzRPMHeader(f *testing.F) {
	f.Add(madeUp("one"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseRPMHeader(b, func(*rpmFile) {}) })
}
