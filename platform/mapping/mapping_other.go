// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package mapping

// Forget does nothing here.
func Forget(uintptr, int64) {}
