// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package diskspace

import "errors"

func of(string) (Space, error) { return Space{}, errors.ErrUnsupported }
