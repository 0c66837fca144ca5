// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package timesync

import "errors"

func kept() (bool, error) { return false, errors.ErrUnsupported }
