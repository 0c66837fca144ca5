// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	headerSize   = 8 // length and CRC-32C, little endian
	positionSize = 20
)

// errTorn is a frame that was not written to its end, or not as it is now.
var errTorn = errors.New("torn frame")

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, castagnoliTable) }

func frameSize(message []byte) int64 { return int64(headerSize + len(message)) }

func appendFrame(to, message []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(message)))
	to = binary.LittleEndian.AppendUint32(to, castagnoli(message))
	return append(to, message...)
}

// reader reads frames of one segment.
type reader struct{ *os.File }

// frameAt returns the message at an offset; io.EOF at the end, errTorn where
// there is no whole frame.
func (r *reader) frameAt(offset int64) ([]byte, error) {
	var header [headerSize]byte
	n, err := r.ReadAt(header[:], offset)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil, io.EOF
	case errors.Is(err, io.EOF) && n < headerSize:
		return nil, errTorn
	case err != nil && n < headerSize:
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size == 0 || size > MaxMessage {
		return nil, errTorn
	}
	message := make([]byte, size)
	if n, err := r.ReadAt(message, offset+headerSize); n < len(message) {
		if errors.Is(err, io.EOF) {
			return nil, errTorn
		}
		return nil, err
	}
	if castagnoli(message) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, errTorn
	}
	return message, nil
}

// position is how far the reader has come.
type position struct {
	segment uint64
	offset  int64
}

// save overwrites the position in place. A crash of the machine may tear it;
// load then begins at the oldest segment, which only repeats messages.
func (p position) save(file *os.File) error {
	b := make([]byte, 0, positionSize)
	b = binary.LittleEndian.AppendUint64(b, p.segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.offset))
	b = binary.LittleEndian.AppendUint32(b, castagnoli(b))
	_, err := file.WriteAt(b, 0)
	return err
}

func parsePosition(b []byte) (position, bool) {
	if len(b) != positionSize || castagnoli(b[:16]) != binary.LittleEndian.Uint32(b[16:]) {
		return position{}, false
	}
	offset := int64(binary.LittleEndian.Uint64(b[8:]))
	return position{binary.LittleEndian.Uint64(b), offset}, offset >= 0
}

func (s *Spool) path(seq uint64) string {
	return filepath.Join(s.opts.Dir, fmt.Sprintf("%010d.seg", seq))
}

// segments lists the numbers of the segments on disk, oldest first.
func (s *Spool) segments() ([]uint64, error) {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return nil, err
	}
	var list []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".seg")
		if seq, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			list = append(list, seq)
		}
	}
	slices.Sort(list)
	return list, nil
}

// load finds where reading and writing go on.
func (s *Spool) load() error {
	list, err := s.segments()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		list = []uint64{1}
	}
	s.posFile, err = os.OpenFile(filepath.Join(s.opts.Dir, "position"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(s.posFile, positionSize+1))
	if err != nil {
		return err
	}
	pos, ok := parsePosition(b)
	if !ok || !slices.Contains(list, pos.segment) {
		pos = position{segment: list[0]}
	}
	s.pos = pos
	for _, seq := range list {
		if err := s.loadSegment(seq); err != nil {
			return err
		}
	}
	s.in, err = s.openReader(s.pos.segment)
	return err
}

// loadSegment counts what is left in a segment, drops one that was read to its
// end, and makes the newest the one that is appended to.
func (s *Spool) loadSegment(seq uint64) error {
	if seq < s.pos.segment {
		return os.Remove(s.path(seq))
	}
	file, err := os.OpenFile(s.path(seq), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if s.out != nil {
		s.out.Close()
	}
	s.out, s.outSeq = file, seq
	return s.measure(&reader{file})
}

// measure walks the frames of the newest segment and cuts off a torn tail.
func (s *Spool) measure(r *reader) error {
	var offset int64
	for {
		message, err := r.frameAt(offset)
		if errors.Is(err, errTorn) {
			s.stats.Corrupt++
			err = errors.Join(r.Truncate(offset), io.EOF)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if s.outSeq > s.pos.segment || offset >= s.pos.offset {
			s.stats.Messages++
			s.stats.Bytes += frameSize(message)
		}
		offset += frameSize(message)
	}
	if s.outSeq == s.pos.segment {
		s.pos.offset = min(s.pos.offset, offset)
	}
	s.outSize = offset
	return nil
}

func (s *Spool) openReader(seq uint64) (*reader, error) {
	file, err := os.Open(s.path(seq))
	if err != nil {
		return nil, err
	}
	return &reader{file}, nil
}

// roll begins a new segment.
func (s *Spool) roll() error {
	file, err := os.OpenFile(s.path(s.outSeq+1), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	// What was appended must not become less durable by the new segment:
	// Sync reaches only the newest.
	if err := s.flush(); err != nil {
		// Else the next try would find it there.
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	s.out.Close()
	s.out, s.outSeq, s.outSize = file, s.outSeq+1, 0
	return nil
}

// advance goes on behind what can't be read: the end of a segment, or a frame
// that was damaged on disk.
func (s *Spool) advance(cause error) error {
	if errors.Is(cause, errTorn) {
		s.stats.Corrupt++
		s.recount()
	} else if !errors.Is(cause, io.EOF) {
		return cause
	}
	if s.pos.segment == s.outSeq {
		if err := s.roll(); err != nil {
			return err
		}
	}
	seq, err := s.following()
	if err != nil {
		return err
	}
	next, err := s.openReader(seq)
	if err != nil {
		return err
	}
	s.in.Close()
	done := s.pos.segment
	s.in, s.pos = next, position{segment: seq}
	// The order matters: a segment before the position is removed by load. Where
	// only this fails, reading goes on: a position on a segment that is gone starts at
	// the oldest there is.
	_ = s.pos.save(s.posFile)
	_ = os.Remove(s.path(done))
	return nil
}

// following is the number of the segment behind the one that is read. Where one
// could not be removed, and the position was lost, there are numbers missing.
func (s *Spool) following() (uint64, error) {
	list, err := s.segments()
	if err != nil {
		return 0, err
	}
	i, _ := slices.BinarySearch(list, s.pos.segment+1)
	if i == len(list) {
		return 0, fmt.Errorf("segment %d: %w", s.pos.segment+1, os.ErrNotExist)
	}
	return list[i], nil
}

// recount corrects the statistics when the rest of the current segment is
// lost: what lies in later segments is all there is.
func (s *Spool) recount() {
	s.stats.Messages, s.stats.Bytes = 0, 0
	for seq := s.pos.segment + 1; seq <= s.outSeq; seq++ {
		r, err := s.openReader(seq)
		if err != nil {
			continue
		}
		for offset := int64(0); ; {
			message, err := r.frameAt(offset)
			if err != nil {
				break
			}
			s.stats.Messages++
			s.stats.Bytes += frameSize(message)
			offset += frameSize(message)
		}
		r.Close()
	}
}
