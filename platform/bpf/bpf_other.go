// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package bpf

import "errors"

// Programs is Linux's.
func Programs() ([]Program, error) { return nil, errors.ErrUnsupported }

// Links is Linux's.
func Links() ([]Link, error) { return nil, errors.ErrUnsupported }

// Pins is Linux's.
func Pins(string) ([]Pin, int, error) { return nil, 0, errors.ErrUnsupported }
