// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package network

import "hids/modules/rootcheck/check"

// Checks is empty: all of them are about Linux.
func Checks() []check.Check { return nil }
