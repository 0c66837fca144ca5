// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package bootclock

import (
	"errors"
	"time"
)

// Now is how long this boot has lasted, suspended time included.
func Now() (time.Duration, error) { return 0, errors.ErrUnsupported }
