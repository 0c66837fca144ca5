// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package files

import "hids/modules/rootcheck/check"

// Checks is empty: the checks are about Linux.
func Checks() []check.Check { return nil }
