// SPDX-License-Identifier: Apache-2.0

// Package timesync asks the kernel whether somebody keeps the wall clock right.
// It neither knows who nor sets anything.
package timesync

// Kept reports whether the clock is kept right: the kernel says so of itself
// when it was corrected lately (adjtimex(2)).
func Kept() (bool, error) { return kept() }
