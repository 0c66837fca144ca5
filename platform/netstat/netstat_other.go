// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package netstat

import "errors"

// SockDiag is Linux's.
func SockDiag(Table) ([]Socket, error) { return nil, errors.ErrUnsupported }

// PacketDiag is Linux's.
func PacketDiag() ([]PacketSocket, error) { return nil, errors.ErrUnsupported }

// Links is Linux's.
func Links() ([]Link, error) { return nil, errors.ErrUnsupported }

// Binder is Linux's.
type Binder struct{}

// NewBinder is Linux's.
func NewBinder(string) (*Binder, error) { return nil, errors.ErrUnsupported }

// InUse is Linux's.
func (*Binder) InUse(int) (bool, error) { return false, errors.ErrUnsupported }

// ListsBound is Linux's.
func ListsBound() (bool, error) { return false, errors.ErrUnsupported }
