// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package runner_test

// blockTerm has no counterpart outside Linux.
func blockTerm() {}
