// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package bareloop

import (
	"errors"
	"time"
)

// CPU is not told here.
func CPU() time.Duration { return 0 }

// Hash is not supported here.
func Hash(string, int) (Result, error) { return Result{}, errors.ErrUnsupported }
