// SPDX-License-Identifier: Apache-2.0

// Package journal keeps records in one append-only file, so that a record is
// durable at the price of a single flush: the file is filled with zeros ahead
// of its end, and writing into space that exists changes no metadata. What a
// record means is its caller's business.
//
// The file is a magic, then records: length, CRC-32C (both 32 bits, little
// endian) and payload. A length of zero is the end.
package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"hids/platform/datasync"
)

const (
	magic      = "hidsjrn1"
	headerSize = 8
	// step is how far ahead of its end the file is filled.
	step = 256 << 10
	// MaxRecord bounds one payload; what claims to be longer is damage.
	MaxRecord = 1 << 20
)

// Journal is an open file. It is not for concurrent use.
type Journal struct {
	path   string
	f      *os.File
	end    int64 // where the next record goes
	filled int64 // up to here the file has been written
	buf    []byte
}

// Contents is what a journal held when it was opened.
type Contents struct {
	Records [][]byte
	Damage  error // not nil: part of the file was unreadable, Records is the rest
}

// Open reads the journal at path. There need not be one. A damaged one is kept
// beside itself as path.damaged. The journal can be written only after
// Rewrite.
func Open(path string) (*Journal, Contents, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, Contents{}, fmt.Errorf("read journal: %w", err)
	}
	var c Contents
	if len(data) > 0 {
		c = parse(data)
	}
	if c.Damage != nil {
		if err := os.WriteFile(path+".damaged", data, 0o600); err != nil {
			c.Damage = errors.Join(c.Damage, err)
		}
	}
	return &Journal{path: path}, c, nil
}

// parse takes every record whose sum is right. One that is not is left out,
// and reading goes on behind it where its length can be believed.
func parse(data []byte) Contents {
	if len(data) < headerSize || string(data[:headerSize]) != magic {
		return Contents{Damage: errors.New("journal does not begin as one")}
	}
	var c Contents
	for at := headerSize; at+8 <= len(data); {
		n := int(binary.LittleEndian.Uint32(data[at:]))
		sum := binary.LittleEndian.Uint32(data[at+4:])
		if n == 0 {
			break
		}
		if n > MaxRecord || at+8+n > len(data) {
			c.Damage = fmt.Errorf("journal ends in a broken record at byte %d", at)
			break
		}
		payload := data[at+8 : at+8+n]
		if crc32.Checksum(payload, table()) == sum {
			c.Records = append(c.Records, payload)
		} else {
			c.Damage = fmt.Errorf("journal has a broken record at byte %d", at)
		}
		at += 8 + n
	}
	return c
}

func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func encode(buf, payload []byte) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(payload, table()))
	return append(buf, payload...)
}

// Append adds a record to what the next Commit writes.
func (j *Journal) Append(payload []byte) error {
	if len(payload) == 0 || len(payload) > MaxRecord {
		return fmt.Errorf("journal record of %d bytes: the limit is %d", len(payload), MaxRecord)
	}
	j.buf = encode(j.buf, payload)
	return nil
}

// Commit writes the appended records. After it they survive the end of this
// process; with durable also the end of the machine. On an error they are
// dropped, and only Rewrite makes the journal whole again.
func (j *Journal) Commit(durable bool) error {
	defer func() { j.buf = j.buf[:0] }()
	if len(j.buf) == 0 {
		return nil
	}
	if j.f == nil {
		return fmt.Errorf("write journal %s: it is not open", j.path)
	}
	if err := j.reserve(int64(len(j.buf))); err != nil {
		return j.fail(err)
	}
	if _, err := j.f.WriteAt(j.buf, j.end); err != nil {
		return j.fail(err)
	}
	j.end += int64(len(j.buf))
	if !durable {
		return nil
	}
	if err := datasync.File(j.f); err != nil {
		return j.fail(err)
	}
	return nil
}

// fail closes the file: after a failed write or flush nobody knows what of it
// is on the disk, so it is never written again.
func (j *Journal) fail(err error) error {
	j.f.Close()
	j.f = nil
	return fmt.Errorf("write journal: %w", err)
}

// Flush returns what makes all that is committed now survive the end of the
// machine. It may run beside every other use of the Journal; a Rewrite in the
// meantime has done its work.
func (j *Journal) Flush() func() error {
	f := j.f
	return func() error {
		if f == nil {
			return nil // what failed before is written anew, and flushed with that
		}
		if err := datasync.File(f); err != nil && !errors.Is(err, fs.ErrClosed) {
			return fmt.Errorf("flush journal: %w", err)
		}
		return nil
	}
}

// reserve makes sure that n bytes and an end mark go into space that is there.
// The flush that makes them durable makes the space so too.
func (j *Journal) reserve(n int64) error {
	if j.end+n+8 <= j.filled {
		return nil
	}
	grow := (n + 8 + step - 1) / step * step
	if _, err := j.f.WriteAt(make([]byte, grow), j.filled); err != nil {
		return err
	}
	j.filled += grow
	return nil
}

// Size is how many bytes the records take.
func (j *Journal) Size() int64 { return j.end }

// Rewrite replaces the whole content at once: after it, or after any crash
// within it, the file holds either all that it held or exactly these records.
// Each record is used before the next is asked for.
func (j *Journal) Rewrite(records iter.Seq[[]byte]) error {
	f, end, err := j.replace(records)
	if err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	if j.f != nil {
		j.f.Close()
	}
	j.f, j.end, j.filled, j.buf = f, end, fill(end), j.buf[:0]
	return nil
}

// fill is up to where a file is filled whose records end there.
func fill(end int64) int64 { return end + step - end%step }

func (j *Journal) replace(records iter.Seq[[]byte]) (f *os.File, end int64, err error) {
	tmp := j.path + ".new"
	f, err = os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	end, err = writeAll(f, records)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err == nil {
		err = datasync.Dir(filepath.Dir(j.path))
	}
	if err != nil {
		err = errors.Join(err, f.Close())
		_ = os.Remove(tmp) // a full disk has better use for it; it is gone if it has the name already
		return nil, 0, err
	}
	return f, end, nil
}

// writeAll writes a whole journal and returns where its records end.
func writeAll(f *os.File, records iter.Seq[[]byte]) (end int64, err error) {
	w := bufio.NewWriterSize(f, 64<<10)
	end = headerSize
	_, err = w.WriteString(magic)
	var buf []byte
	for r := range records {
		buf = encode(buf[:0], r)
		end += int64(len(buf))
		if _, err = w.Write(buf); err != nil {
			break
		}
	}
	if err == nil {
		_, err = w.Write(make([]byte, fill(end)-end))
	}
	return end, errors.Join(err, w.Flush())
}

// Close closes the file; everything committed stays.
func (j *Journal) Close() error {
	if j.f == nil {
		return nil
	}
	return j.f.Close()
}
