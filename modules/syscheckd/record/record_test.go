// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
)

func full() *Record {
	return &Record{
		Type: File, Marks: MarkChanging, Has: HasSums | HasXattrs | HasFlags,
		Size: 1 << 40, Mode: 0o104755, UID: 1000, GID: 4294967295,
		Mtime: -1, Ctime: 1764000000123456789, Btime: 5, Inode: 1<<64 - 1, Device: 2049, Rdev: 7, Links: 2,
		Target: "a\x00\xff\nb", MD5: [16]byte{1}, SHA1: [20]byte{2}, SHA256: [32]byte{3},
		Xattrs: []Xattr{{"security.capability", []byte{1, 0, 0, 2}}, {"security.selinux", []byte("x")}},
		Flags:  FlagImmutable, FlagsMask: KnownFlags,
	}
}

func TestEncodingRoundTrip(t *testing.T) {
	for name, want := range map[string]*Record{"empty": {}, "full": full(), "link": {Type: Symlink, Target: "../x"}} {
		got, err := Decode(want.Append(nil))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestDecodeRefusesEveryCut(t *testing.T) {
	b := full().Append(nil)
	for n := range b {
		if _, err := Decode(b[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d of %d bytes: error %v", n, len(b), err)
		}
	}
	if _, err := Decode(append(b, 0)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a byte too many: error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(full().Append(nil))
	f.Add((&Record{}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(r.Append(nil))
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !bytes.Equal(r.Append(nil), again.Append(nil)) {
			t.Fatal("encoding is not stable")
		}
	})
}

func TestDiffNamesWhatChanged(t *testing.T) {
	base := Record{Type: File, Has: HasSums | HasXattrs | HasFlags, Mode: 0o100644, Size: 1, Links: 1, FlagsMask: KnownFlags}
	for _, tc := range []struct {
		name   string
		change func(*Record)
		checks config.Check
		want   []Field
	}{
		{"nothing", func(*Record) {}, ^config.Check(0), nil},
		{"size", func(r *Record) { r.Size = 2 }, config.CheckAll, []Field{{FieldSize, "1", "2"}}},
		{"not asked for", func(r *Record) { r.Mtime = 5; r.Inode = 9; r.Links = 2; r.Ctime = 7 }, config.CheckAll, nil},
		{"setuid", func(r *Record) { r.Mode |= 0o4000 }, config.CheckPerm, []Field{{FieldMode, "0644", "4644"}}},
		{"owner", func(r *Record) { r.UID, r.GID = 5, 6 }, config.CheckAll, []Field{{FieldUID, "0", "5"}, {FieldGID, "0", "6"}}},
		{"sum not known", func(r *Record) { r.Has &^= HasMD5; r.MD5[0] = 1 }, config.CheckAll, nil},
		{"type", func(r *Record) { r.Type = Symlink; r.Target = "x" }, config.CheckTarget, []Field{{FieldType, "file", "symlink"}, {FieldTarget, "", "x"}}},
		{"immutable", func(r *Record) { r.Flags = FlagImmutable }, config.CheckAttrs, []Field{{FieldFlags, "none", "immutable"}}},
		{"capability", func(r *Record) { r.Xattrs = []Xattr{{"security.capability", []byte{0xab}}} }, config.CheckXattrs, []Field{{"xattr.security.capability", "", "0xab"}}},
		{"links", func(r *Record) { r.Links = 3 }, config.CheckLinks, []Field{{FieldLinks, "1", "3"}}},
		{"mtime", func(r *Record) { r.Mtime = 1e9 }, config.CheckMtime, []Field{{FieldMtime, "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"}}},
	} {
		changed := base
		tc.change(&changed)
		if d := cmp.Diff(tc.want, Diff(&base, &changed, tc.checks)); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
}

func TestUnreadKeepsTheOldSums(t *testing.T) {
	old := full()
	now := &Record{Type: File, Marks: MarkUnread}
	now.Inherit(old)
	if now.Has&HasSums != HasSums || now.SHA256 != old.SHA256 {
		t.Errorf("sums were lost: has %b", now.Has)
	}
	readable := &Record{Type: File}
	readable.Inherit(old)
	if readable.Has != 0 {
		t.Error("a record whose content was read took sums from the old one")
	}
}

func TestEmptyFilesAreNotTheSameContent(t *testing.T) {
	a := &Record{Type: File, Has: HasSums}
	if SameContent(a, a) {
		t.Error("two empty files were taken for one that moved")
	}
	if b := full(); !SameContent(b, b.Clone()) {
		t.Error("a copy is not the same content")
	}
}
