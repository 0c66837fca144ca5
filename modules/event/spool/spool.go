// SPDX-License-Identifier: Apache-2.0

// Package spool keeps messages on disk, in order, until somebody has taken
// them: what stands between a module and a reader that may be away, slow or
// dying. It is bounded, it survives kill -9, and it delivers at least once: a
// message whose acknowledgement was lost with the process comes again. It
// knows nothing of what a message says or of where it goes.
//
// On disk a spool is a folder of segments, NNNNNNNNNN.seg, appended to at the
// newest and read from the oldest, and a file "position" that says how far the
// reader has come. Each message is framed by its length and a CRC-32C, so that
// a torn tail is seen and cut off.
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrFull means that a message was dropped since the spool holds as many bytes
// as it may, or the disk takes no more. The caller should leave undone what the message tells of, so that
// it is found again later.
var ErrFull = errors.New("spool is full")

// MaxMessage is the longest message in bytes: the longest that any protocol of
// the agent has (64 KiB, Wazuh's requests to execd) and what is kept beside it.
const MaxMessage = 65 << 10

const defaultSegment = 4 << 20

// Options of Open.
type Options struct {
	Dir          string // made with mode 0700 if it is missing
	MaxBytes     int64  // bound on the undelivered bytes; 0: 256 MiB
	SegmentBytes int64  // size at which a new segment begins; 0: 4 MiB
	Volatile     bool   // nothing is flushed: messages need not outlive the machine
}

// Stats describes a spool at one moment.
type Stats struct {
	Messages int64 `json:"messages"` // not yet acknowledged
	Bytes    int64 `json:"bytes"`    // on disk, framing included
	Limit    int64 `json:"limit"`    // on Bytes
	Dropped  int64 `json:"dropped"`  // refused with ErrFull since Open
	Corrupt  int64 `json:"corrupt"`  // segments cut short since Open
}

// Spool is a queue on disk. Any number of goroutines may Append; one at a time
// may use Next and Ack.
type Spool struct {
	opts Options

	mu      sync.Mutex // guards all below
	out     *os.File   // the newest segment, appended to
	outSeq  uint64
	outSize int64
	in      *reader // the oldest, read from
	pos     position
	posFile *os.File
	stats   Stats
	held    int64         // framed size of the message that Next returned; 0: none
	grown   chan struct{} // closed, and made anew, when messages come
	closed  bool
}

// Open opens or makes the spool in o.Dir.
func Open(o Options) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{opts: o, grown: make(chan struct{}), stats: Stats{Limit: o.MaxBytes}}
	if err := s.load(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// Append puts messages at the end, all or none. After a crash of the process
// they are there; after a crash of the machine they are if Sync was called.
func (s *Spool) Append(messages ...[]byte) error {
	var frames []byte
	for _, m := range messages {
		if len(m) == 0 || len(m) > MaxMessage {
			return fmt.Errorf("append to spool: message of %d bytes, want 1 to %d", len(m), MaxMessage)
		}
		frames = appendFrame(frames, m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("append to spool: %w", os.ErrClosed)
	}
	if s.stats.Bytes+int64(len(frames)) > s.opts.MaxBytes {
		s.stats.Dropped += int64(len(messages))
		return ErrFull
	}
	if err := s.write(frames); err != nil {
		s.stats.Dropped += int64(len(messages))
		return fmt.Errorf("append to spool: %w: %w", ErrFull, err)
	}
	s.stats.Messages += int64(len(messages))
	s.stats.Bytes += int64(len(frames))
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

// write appends to the newest segment, or to a new one when that is full. A
// write that failed half-way is taken back, so that what follows can be read.
func (s *Spool) write(frames []byte) error {
	if s.outSize >= s.opts.SegmentBytes {
		if err := s.roll(); err != nil {
			return err
		}
	}
	n, err := s.out.WriteAt(frames, s.outSize)
	if err != nil {
		return errors.Join(err, s.out.Truncate(s.outSize))
	}
	s.outSize += int64(n)
	return nil
}

// Sync returns once all appended messages would survive a crash of the machine.
func (s *Spool) Sync() error {
	s.mu.Lock()
	out := s.out
	s.mu.Unlock()
	if err := out.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("sync spool: %w", err)
	}
	return nil
}

// flush makes the newest segment durable, where that is wanted.
func (s *Spool) flush() error {
	if s.opts.Volatile {
		return nil
	}
	return s.out.Sync()
}

// Next waits for the oldest message that is not acknowledged, and returns the
// same one until Ack. The slice is the caller's.
func (s *Spool) Next(ctx context.Context) ([]byte, error) {
	for {
		message, grown, err := s.peek()
		if message != nil || err != nil {
			return message, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-grown:
		}
	}
}

func (s *Spool) peek() ([]byte, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.closed {
			return nil, nil, fmt.Errorf("read spool: %w", os.ErrClosed)
		}
		message, err := s.in.frameAt(s.pos.offset)
		if err == nil {
			s.held = frameSize(message)
			return message, nil, nil
		}
		if s.pos.segment == s.outSeq && s.pos.offset == s.outSize {
			return nil, s.grown, nil
		}
		if err := s.advance(err); err != nil {
			return nil, nil, fmt.Errorf("read spool: %w", err)
		}
	}
}

// Ack says that the message Next returned has been taken.
func (s *Spool) Ack() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == 0 || s.closed {
		return nil
	}
	s.pos.offset += s.held
	s.stats.Messages--
	s.stats.Bytes -= s.held
	s.held = 0
	if err := s.pos.save(s.posFile); err != nil {
		return fmt.Errorf("acknowledge in spool: %w", err)
	}
	return nil
}

// Stats describes the spool now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close ends the use of the spool. What is in it stays.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.grown)
	var errs []error
	if s.out != nil {
		errs = append(errs, s.flush(), s.out.Close())
	}
	if s.in != nil {
		errs = append(errs, s.in.Close())
	}
	if s.posFile != nil {
		errs = append(errs, s.posFile.Close())
	}
	return errors.Join(errs...)
}
