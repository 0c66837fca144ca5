// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// File appends to a log that others may rotate at any moment. It is opened for
// every write, as OSSEC does, so a renamed or truncated file is never written
// by mistake. The last element of Path may not be a symbolic link: the folder
// of ossec.log belongs to an unprivileged user, who could point one at a file
// of root's. Nor may it be a FIFO or a device, which could hold the writer up
// for ever.
type File struct{ Path string }

// Write appends p in one write(2).
func (f File) Write(p []byte) (int, error) {
	w, err := f.open()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(p)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return n, err
}

func (f File) open() (*os.File, error) {
	w, err := f.openAny()
	if err != nil {
		return nil, err
	}
	info, err := w.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: is not a regular file", f.Path)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// openAny opens what is there, or makes the file.
func (f File) openAny() (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | openFlags
	w, err := os.OpenFile(f.Path, flags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return w, err
	}
	w, err = os.OpenFile(f.Path, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was first
		return os.OpenFile(f.Path, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	share(w, filepath.Dir(f.Path))
	return w, nil
}

// Output is where a daemon's lines go: always to its log file, and to its
// standard error as long as somebody reads that.
type Output struct {
	file     io.Writer
	terminal io.Writer
	detached atomic.Bool
}

// NewOutput returns an Output to file and, when it is not nil, to terminal.
func NewOutput(file, terminal io.Writer) *Output {
	o := &Output{file: file, terminal: terminal}
	o.detached.Store(terminal == nil)
	return o
}

// Detach ends the copy to the terminal; a daemon calls it when it leaves the
// shell that started it.
func (o *Output) Detach() { o.detached.Store(true) }

// Write writes p to both. A log file that can't be written is no reason to
// stop: the error is reported only when nobody else got the line.
func (o *Output) Write(p []byte) (int, error) {
	_, err := o.file.Write(p)
	if o.detached.Load() {
		return len(p), err
	}
	return o.terminal.Write(p)
}
