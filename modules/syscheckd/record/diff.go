// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"hids/config"
)

// Field is one attribute that differs, with both values as text. Text that
// comes from the file system (a link's target) is raw: whoever shows it must
// make it safe.
type Field struct {
	Name          string
	Before, After string
}

// The names of fields. An extended attribute is named FieldXattr + its name.
const (
	FieldType   = "type"
	FieldSize   = "size"
	FieldMode   = "mode"
	FieldUID    = "uid"
	FieldGID    = "gid"
	FieldMD5    = "md5"
	FieldSHA1   = "sha1"
	FieldSHA256 = "sha256"
	FieldMtime  = "mtime"
	FieldInode  = "inode"
	FieldRdev   = "rdev"
	FieldLinks  = "links"
	FieldTarget = "target"
	FieldFlags  = "attributes"
	FieldXattr  = "xattr."
)

// Content reports whether the field tells of other content, not only of other
// attributes: the difference between "updated" and "attributes_modified".
func (f Field) Content() bool {
	switch f.Name {
	case FieldType, FieldSize, FieldMD5, FieldSHA1, FieldSHA256, FieldTarget, FieldRdev:
		return true
	}
	return false
}

// Diff returns the attributes within checks in which b differs from a, in a
// fixed order. The type of file always counts. What only one of them knows is
// not a difference. Size, times and links of directories are left out: they
// follow from their entries, which have records of their own.
func Diff(a, b *Record, checks config.Check) []Field {
	d := differ{checks: checks}
	if a.Type != b.Type {
		d.fields = append(d.fields, Field{FieldType, a.Type.String(), b.Type.String()})
	}
	d.content(a, b)
	d.owner(a, b)
	d.place(a, b)
	if d.wants(config.CheckAttrs) && a.Has&b.Has&HasFlags != 0 {
		mask := a.FlagsMask & b.FlagsMask
		d.text(FieldFlags, FlagNames(a.Flags&mask), FlagNames(b.Flags&mask))
	}
	if d.wants(config.CheckXattrs) && a.Has&b.Has&HasXattrs != 0 {
		d.xattrs(a.Xattrs, b.Xattrs)
	}
	return d.fields
}

type differ struct {
	checks config.Check
	fields []Field
}

func (d *differ) wants(c config.Check) bool { return d.checks&c != 0 }

func (d *differ) text(name, before, after string) {
	if before != after {
		d.fields = append(d.fields, Field{name, before, after})
	}
}

func (d *differ) number(name string, before, after uint64) {
	if before != after {
		d.fields = append(d.fields, Field{name, strconv.FormatUint(before, 10), strconv.FormatUint(after, 10)})
	}
}

func (d *differ) sum(name string, before, after []byte) {
	if !bytes.Equal(before, after) {
		d.fields = append(d.fields, Field{name, hex.EncodeToString(before), hex.EncodeToString(after)})
	}
}

func (d *differ) content(a, b *Record) {
	if d.wants(config.CheckSize) && a.Type == File && b.Type == File && a.Size != b.Size {
		d.fields = append(d.fields, Field{FieldSize, strconv.FormatInt(a.Size, 10), strconv.FormatInt(b.Size, 10)})
	}
	both := a.Has & b.Has
	if a.Marks&MarkTargetSums != b.Marks&MarkTargetSums {
		both &^= HasSums
	}
	if d.wants(config.CheckMD5) && both&HasMD5 != 0 {
		d.sum(FieldMD5, a.MD5[:], b.MD5[:])
	}
	if d.wants(config.CheckSHA1) && both&HasSHA1 != 0 {
		d.sum(FieldSHA1, a.SHA1[:], b.SHA1[:])
	}
	if d.wants(config.CheckSHA256) && both&HasSHA256 != 0 {
		d.sum(FieldSHA256, a.SHA256[:], b.SHA256[:])
	}
	if d.wants(config.CheckTarget) {
		d.text(FieldTarget, a.Target, b.Target)
	}
	d.number(FieldRdev, a.Rdev, b.Rdev)
}

func (d *differ) owner(a, b *Record) {
	if d.wants(config.CheckPerm) && a.Mode&07777 != b.Mode&07777 {
		d.text(FieldMode, ModeText(a.Mode), ModeText(b.Mode))
	}
	if d.wants(config.CheckOwner) {
		d.number(FieldUID, uint64(a.UID), uint64(b.UID))
	}
	if d.wants(config.CheckGroup) {
		d.number(FieldGID, uint64(a.GID), uint64(b.GID))
	}
}

func (d *differ) place(a, b *Record) {
	plain := a.Type != Dir && b.Type != Dir
	if d.wants(config.CheckMtime) && plain && a.Mtime != b.Mtime {
		d.text(FieldMtime, timeText(a.Mtime), timeText(b.Mtime))
	}
	if d.wants(config.CheckInode) && (a.Inode != b.Inode || a.Device != b.Device) {
		d.text(FieldInode, inodeText(a), inodeText(b))
	}
	if d.wants(config.CheckLinks) && plain {
		d.number(FieldLinks, a.Links, b.Links)
	}
}

// xattrs merges two lists that are sorted by name.
func (d *differ) xattrs(a, b []Xattr) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0].Name < b[0].Name):
			d.text(FieldXattr+a[0].Name, xattrText(a[0]), "")
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			d.text(FieldXattr+b[0].Name, "", xattrText(b[0]))
			b = b[1:]
		default:
			d.text(FieldXattr+a[0].Name, xattrText(a[0]), xattrText(b[0]))
			a, b = a[1:], b[1:]
		}
	}
}

// ModeText returns the permission bits in octal: "0644", "4755".
func ModeText(mode uint32) string { return fmt.Sprintf("%04o", mode&07777) }

func xattrText(x Xattr) string { return "0x" + hex.EncodeToString(x.Value) }

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func inodeText(r *Record) string {
	if r.Device == 0 {
		return strconv.FormatUint(r.Inode, 10)
	}
	return strconv.FormatUint(r.Inode, 10) + " on device " + strconv.FormatUint(r.Device, 10)
}
