// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package registry

import "errors"

// Match is Windows'.
func Match(string, string, func(string) bool) (bool, error) { return false, errors.ErrUnsupported }
