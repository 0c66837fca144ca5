// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"hids/modules/event"
)

// Pipe is the module's end of the way to the log: a process that may not write
// the log itself hands its events to one that Collects them.
type Pipe struct {
	mu sync.Mutex // one event at a time; guards torn
	f  *os.File
	// torn: an event was cut off by the end of its context, so the next one
	// has to begin on a new line.
	torn bool
}

// NewPipe returns a Pipe that writes to f, the writing end of a pipe in
// non-blocking mode. The caller closes f.
func NewPipe(f *os.File) *Pipe { return &Pipe{f: f} }

// Emit hands one event on. It waits for a slow reader as long as ctx allows.
func (p *Pipe) Emit(ctx context.Context, e *event.Event) error {
	line, err := encode(e)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	_ = p.f.SetWriteDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = p.f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	return p.send(ctx, line)
}

func (p *Pipe) send(ctx context.Context, line []byte) error {
	if p.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := p.f.Write(line)
	if err == nil {
		p.torn = false
		return nil
	}
	p.torn = p.torn || n > 0
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ctx.Err()
	}
	return fmt.Errorf("hand event on: %w", err)
}

// Collect writes what comes out of r to the log until r ends. What is no JSON
// object or too long is left out and counted: a module that was taken over
// must not be able to spoil the log. fault is told of every line or batch that
// did not get into the log.
func (w *Writer) Collect(r io.Reader, fault func(error)) {
	br := bufio.NewReaderSize(r, MaxLine)
	var batch []byte
	for {
		line, err := nextLine(br, fault)
		batch = append(batch, line...)
		if len(batch) > 0 && (err != nil || len(batch) > maxBatch || !lineBuffered(br)) {
			if werr := w.write(batch); werr != nil {
				fault(werr)
			}
			batch = batch[:0]
		}
		if err != nil {
			return
		}
	}
}

var errLine = errors.New("a module handed on what is no event")

// nextLine returns the next good line, valid until the next read, or nil after
// a bad one.
func nextLine(br *bufio.Reader, fault func(error)) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	bad := false
	for errors.Is(err, bufio.ErrBufferFull) {
		bad = true
		line, err = br.ReadSlice('\n')
	}
	if err != nil {
		return nil, err // the end; half a line is no event
	}
	switch {
	case len(line) == 1 && !bad:
		return nil, nil
	case bad || line[0] != '{' || !json.Valid(line):
		fault(errLine)
		return nil, nil
	}
	return line, nil
}

func lineBuffered(br *bufio.Reader) bool {
	b, _ := br.Peek(br.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}
