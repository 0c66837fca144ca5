// SPDX-License-Identifier: Apache-2.0

// Package diskspace says how much room a file system has. What is enough is
// for the caller to say.
package diskspace

// Space is the room of the file system that a path is on. What the system
// keeps for root counts as taken.
type Space struct {
	Total, Free        uint64 // bytes
	Inodes, FreeInodes uint64 // 0 of 0 where files need none made beforehand
	ReadOnly           bool
}

// Of asks for the file system that path is on.
func Of(path string) (Space, error) { return of(path) }
