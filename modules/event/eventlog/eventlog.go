// SPDX-License-Identifier: Apache-2.0

// Package eventlog is the local log of events: one JSON object a line in
// logs/hids/events.json, rotated by size (Writer), the way of a module's events
// to it (Pipe, Collect), and reading it back, rotated files too (Read, Follow).
// What an event holds is package event's business.
package eventlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gopkg.in/natefinch/lumberjack.v2"

	"hids/modules/event"
	"hids/platform/lockfile"
	"hids/platform/safedir"
)

const (
	// MaxLine is the most bytes one event may have. Of a larger one the diff
	// is left out.
	MaxLine = 256 << 10

	maxBatch = 2 * MaxLine // bytes in one write; with a line on top less than minSize
	minSize  = 1 << 20     // bytes; rotation counts in MiB
)

// Options of a Writer. The zero value rotates at 64 MiB and keeps 8 files.
type Options struct {
	MaxSize  int64 // bytes before the log rotates; rounded up to MiB
	MaxFiles int   // rotated files kept
	GID      int   // group that may read the log; 0 or less: the caller's own
}

// Writer appends to the event log. Several processes may each have a Writer of
// one log: modules that are started one by one do. It is safe for use by many
// goroutines.
type Writer struct {
	path string
	o    Options

	mu   sync.Mutex // guards what follows
	dir  *safedir.Dir
	lock *lockfile.Lock
	log  *lumberjack.Logger
	last fs.FileInfo // the file after our last write
}

// Open opens the event log at path for appending. It makes the folder that
// holds it, but not that one's parent.
func Open(path string, o Options) (*Writer, error) {
	w := &Writer{path: path, o: o.complete()}
	if err := w.open(); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	return w, nil
}

func (o Options) complete() Options {
	if o.MaxSize <= 0 {
		o.MaxSize = 64 << 20
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 8
	}
	if o.GID <= 0 {
		o.GID = -1
	}
	return o
}

// Configure changes the options of an open log.
func (w *Writer) Configure(o Options) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o = o.complete(); o == w.o {
		return nil
	}
	w.o = o
	if err := w.reopen(); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	return nil
}

// reopen opens the log anew. What was open may be closed already, after an open
// that failed.
func (w *Writer) reopen() error {
	_ = w.close()
	return w.open()
}

func (w *Writer) open() error {
	dir, err := safedir.Open(filepath.Dir(w.path), w.o.GID)
	if err != nil {
		return err
	}
	lock, err := lockfile.Open(dir.Path(".lock"))
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	w.dir, w.lock, w.last = dir, lock, nil
	w.log = &lumberjack.Logger{
		Filename:   dir.Path(filepath.Base(w.path)),
		MaxSize:    int((max(w.o.MaxSize, minSize) + 1<<20 - 1) >> 20),
		MaxBackups: w.o.MaxFiles,
	}
	return nil
}

func (w *Writer) close() error {
	return errors.Join(w.log.Close(), w.lock.Close(), w.dir.Close())
}

// Close closes the log.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.close()
}

// Emit writes one event. It makes Writer an event.Sink.
func (w *Writer) Emit(_ context.Context, e *event.Event) error {
	line, err := encode(e)
	if err != nil {
		return err
	}
	return w.write(line)
}

// write appends whole lines.
func (w *Writer) write(lines []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.append(lines); err != nil {
		return fmt.Errorf("write event log: %w", err)
	}
	return nil
}

func (w *Writer) append(lines []byte) error {
	if !w.dir.At(filepath.Dir(w.path)) { // moved away or removed
		if err := w.reopen(); err != nil {
			return err
		}
	}
	if err := w.lock.Acquire(); err != nil {
		return err
	}
	defer func() { _ = w.lock.Release() }()
	if err := w.refresh(); err != nil {
		return err
	}
	_, err := w.log.Write(lines)
	w.last, _ = os.Stat(w.log.Filename)
	return err
}

// refresh makes the rotation look at the file again when somebody else wrote
// or rotated it, and makes a new one readable by the group: rotation copies
// mode and owner from file to file.
func (w *Writer) refresh() error {
	now, err := os.Stat(w.log.Filename)
	if err == nil && w.last != nil && os.SameFile(now, w.last) && now.Size() == w.last.Size() {
		return nil
	}
	if err := w.log.Close(); err != nil {
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(w.log.Filename, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o640), chown(f, w.o.GID), f.Close())
}

func chown(f *os.File, gid int) error {
	if gid < 0 {
		return nil
	}
	if err := f.Chown(-1, gid); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// encode returns the event as one line of at most MaxLine bytes.
func encode(e *event.Event) ([]byte, error) {
	line, err := marshal(e)
	if err != nil {
		return nil, err
	}
	if len(line) <= MaxLine {
		return line, nil
	}
	if e.HIDS != nil && e.HIDS.Diff != "" {
		short, details := *e, *e.HIDS
		details.Diff = ""
		details.Tags = append(details.Tags[:len(details.Tags):len(details.Tags)], "diff_dropped")
		short.HIDS = &details
		if line, err = marshal(&short); err != nil || len(line) <= MaxLine {
			return line, err
		}
	}
	return nil, fmt.Errorf("event of %d bytes is larger than %d", len(line), MaxLine)
}

func marshal(e *event.Event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return b.Bytes(), nil
}
