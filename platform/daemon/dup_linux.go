// SPDX-License-Identifier: Apache-2.0

package daemon

import "golang.org/x/sys/unix"

// dup uses dup3(2): not every port of Linux has dup2.
func dup(from, to int) error { return unix.Dup3(from, to, 0) }
