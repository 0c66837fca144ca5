// SPDX-License-Identifier: Apache-2.0

// Package commands is the command line: the tree, the dispatch on argv[0], the
// terminal and the exit codes. It is the only package that imports cobra,
// prints, or ends the process. What a command does is in modules and platform.
package commands

// Main runs hids with the given argument vector and returns the exit code.
func Main(args []string) int {
	return 0
}
