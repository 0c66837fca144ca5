// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostfile

import "errors"

// Statx is Linux's.
func (*Dir) Statx(string) (Info, Attr, error) { return Info{}, Attr{}, errors.ErrUnsupported }

// Capabilities is Linux's.
func (*Dir) Capabilities(string) ([]byte, error) { return nil, errors.ErrUnsupported }

// Reader is Linux's.
type Reader struct{}

// NewReader is Linux's.
func NewReader() *Reader { return &Reader{} }

// Entry is Linux's.
type Entry struct{}

// Name is Linux's.
func (Entry) Name() []byte { return nil }

// Special is Linux's.
func (Entry) Special() bool { return false }

// Statx is Linux's.
func (Entry) Statx() (Info, Attr, error) { return Info{}, Attr{}, errors.ErrUnsupported }

// Each is Linux's.
func (*Reader) Each(*Dir, func(Entry)) error { return errors.ErrUnsupported }
