// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// spoolMemory is how many bytes a spool keeps in memory before it makes a file.
const spoolMemory = 1 << 20

// spool holds the paths and records of files until the end of a scan, in
// memory while they are few and in a file without a name when they are many.
// First everything is added, then read.
type spool struct {
	dir  string
	mem  []byte
	file *os.File
	out  *bufio.Writer
	size int64
	one  []byte // see pack
}

// spoolUnit is what the places of files are multiples of.
const spoolUnit = 16

// add appends a file and returns where it is.
func (s *spool) add(path string, encoded []byte) (at int64, err error) {
	at = s.size
	b := s.pack(path, encoded)
	s.size += int64(len(b))
	if s.file == nil && s.size <= spoolMemory {
		s.mem = append(s.mem, b...)
		return at, nil
	}
	if s.file == nil {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	_, err = s.out.Write(b)
	return at, err
}

// pack makes the bytes of one file: both lengths, both texts, and what is
// missing to whole units. They are valid until the next call.
func (s *spool) pack(path string, encoded []byte) []byte {
	b := binary.LittleEndian.AppendUint64(s.one[:0], uint64(len(path)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(encoded)))
	b = append(append(b, path...), encoded...)
	b = append(b, make([]byte, padding(len(b)))...)
	s.one = b
	return b
}

func padding(n int) int { return (spoolUnit - n%spoolUnit) % spoolUnit }

func (s *spool) spill() error {
	f, err := os.CreateTemp(s.dir, "scan-*.tmp")
	if err != nil {
		return fmt.Errorf("make room for changes: %w", err)
	}
	s.file, s.out = f, bufio.NewWriterSize(f, 64<<10)
	_ = os.Remove(f.Name()) // where that is refused, close does it
	_, err = s.out.Write(s.mem)
	s.mem = nil
	return err
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// reader returns the content, for reading at any place.
func (s *spool) reader() (io.ReaderAt, error) {
	if s.file == nil {
		return byteReader(s.mem), nil
	}
	return s.file, s.out.Flush()
}

type byteReader []byte

func (b byteReader) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, b[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// item is one file of a spool.
type item struct {
	path    string
	encoded []byte
}

// at reads the file that add put there.
func (s *spool) at(at int64) (item, error) {
	r, err := s.reader()
	if err != nil {
		return item{}, err
	}
	return readItem(io.NewSectionReader(r, at, s.size-at))
}

// all reads every file in the order in which they were added.
func (s *spool) all() iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		r, err := s.reader()
		if err != nil {
			yield(item{}, err)
			return
		}
		in := bufio.NewReaderSize(io.NewSectionReader(r, 0, s.size), 64<<10)
		for {
			it, err := readItem(in)
			if errors.Is(err, io.EOF) || !yield(it, err) || err != nil {
				return
			}
		}
	}
}

func readItem(r io.Reader) (item, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return item{}, err
	}
	n, m := int(binary.LittleEndian.Uint64(head[:])), int(binary.LittleEndian.Uint64(head[8:]))
	b := make([]byte, n+m+padding(n+m))
	if _, err := io.ReadFull(r, b); err != nil {
		return item{}, fmt.Errorf("read changes back: %w", err)
	}
	return item{string(b[:n]), b[n : n+m]}, nil
}
