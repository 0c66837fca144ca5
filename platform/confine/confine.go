// SPDX-License-Identifier: Apache-2.0

// Package confine takes away a process's own ability to write where it has no
// business, whatever its user may do. Who is confined to what is the caller's
// business; users and capabilities are package privdrop's.
package confine

// Writes makes this process, and every program it starts, unable to write,
// make, rename or remove files, but below the folders write, and, as for
// removing only, in the folders remove; the null device may be written to. What
// is open already stays so, and sockets may be connected to. It can't be undone.
// It does not cover modes, owners, times and extended attributes of files: those
// need a file's owner or a capability.
//
// The error is errors.ErrUnsupported where the system can't do that.
func Writes(write, remove []string) error { return writes(write, remove) }
