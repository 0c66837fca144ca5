// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostfile

import "errors"

// Statx is Linux's.
func (*Dir) Statx(string) (Info, Attr, error) { return Info{}, Attr{}, errors.ErrUnsupported }

// Capabilities is Linux's.
func (*Dir) Capabilities(string) ([]byte, error) { return nil, errors.ErrUnsupported }
