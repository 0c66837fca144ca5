// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// version is the first byte of an encoded record. A new layout gets a new
// number, and Decode keeps reading the old ones.
const version = 1

// Bounds on what is decoded, far above what a file system can hold (a link's
// target is at most 4,095 bytes, a value of an attribute 65,536).
const (
	maxText   = 1 << 17
	maxXattrs = 64
)

// ErrCorrupt is in the chain of each error of Decode.
var ErrCorrupt = errors.New("not an encoded record")

// Append appends the encoding of r to b. Equal records have equal encodings,
// so a scan can compare bytes and decode only what differs.
func (r *Record) Append(b []byte) []byte {
	b = append(b, version, byte(r.Type), byte(r.Marks))
	b = binary.AppendUvarint(b, uint64(r.Has))
	b = binary.AppendVarint(b, r.Size)
	for _, n := range [...]uint64{uint64(r.Mode), uint64(r.UID), uint64(r.GID), r.Inode, r.Device, r.Rdev, r.Links} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Mtime))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Ctime))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Btime))
	b = appendText(b, r.Target)
	if r.Has&HasMD5 != 0 {
		b = append(b, r.MD5[:]...)
	}
	if r.Has&HasSHA1 != 0 {
		b = append(b, r.SHA1[:]...)
	}
	if r.Has&HasSHA256 != 0 {
		b = append(b, r.SHA256[:]...)
	}
	if r.Has&HasFlags != 0 {
		b = binary.AppendUvarint(b, r.Flags)
		b = binary.AppendUvarint(b, r.FlagsMask)
	}
	if r.Has&HasXattrs != 0 {
		b = appendXattrs(b, r.Xattrs)
	}
	return b
}

func appendXattrs(b []byte, list []Xattr) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, x := range list {
		b = appendText(b, x.Name)
		b = appendText(b, x.Value)
	}
	return b
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// Decode reads what Append wrote, all of b. The record shares nothing with b.
func Decode(b []byte) (*Record, error) {
	d := decoder{rest: b}
	r := d.record()
	if d.err == nil && len(d.rest) != 0 {
		d.fail("bytes left over")
	}
	if d.err != nil {
		return nil, d.err
	}
	return r, nil
}

// decoder takes values off the front of rest. After the first fault it
// returns zero values; err keeps the fault.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrCorrupt, why)
	}
	d.rest = nil
}

func (d *decoder) record() *Record {
	if v := d.byte(); v != version {
		d.fail(fmt.Sprintf("version %d", v))
		return nil
	}
	r := &Record{Type: Type(d.byte()), Marks: Mark(d.byte())}
	if r.Type > BlockDevice {
		d.fail("unknown type of file")
	}
	r.Has = Has(d.small(1<<16 - 1))
	r.Size = d.varint()
	r.Mode, r.UID, r.GID = d.uint32(), d.uint32(), d.uint32()
	r.Inode, r.Device, r.Rdev, r.Links = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
	r.Mtime, r.Ctime, r.Btime = d.fixed64(), d.fixed64(), d.fixed64()
	r.Target = string(d.text())
	d.sums(r)
	if r.Has&HasFlags != 0 {
		r.Flags, r.FlagsMask = d.uvarint(), d.uvarint()
	}
	if r.Has&HasXattrs != 0 {
		r.Xattrs = d.xattrs()
	}
	return r
}

func (d *decoder) sums(r *Record) {
	if r.Has&HasMD5 != 0 {
		copy(r.MD5[:], d.take(len(r.MD5)))
	}
	if r.Has&HasSHA1 != 0 {
		copy(r.SHA1[:], d.take(len(r.SHA1)))
	}
	if r.Has&HasSHA256 != 0 {
		copy(r.SHA256[:], d.take(len(r.SHA256)))
	}
}

func (d *decoder) xattrs() []Xattr {
	n := d.small(maxXattrs)
	var list []Xattr
	for range n {
		list = append(list, Xattr{string(d.text()), append([]byte{}, d.text()...)})
	}
	return list
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail("cut short")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) text() []byte { return d.take(int(d.small(maxText))) }

func (d *decoder) fixed64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) uint32() uint32 { return uint32(d.small(1<<32 - 1)) }

func (d *decoder) small(limit uint64) uint64 {
	n := d.uvarint()
	if n > limit {
		d.fail("number out of range")
		return 0
	}
	return n
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail("cut short")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail("cut short")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}
