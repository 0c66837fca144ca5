// SPDX-License-Identifier: Apache-2.0

// Package datasync makes what was written to a file durable at the smallest
// price the kernel has. What is written, and where, is its caller's business.
package datasync

import "os"

// File makes f's content durable. Where the kernel can (Linux's fdatasync(2)),
// times and other metadata that nobody needs to read the content are left for
// later: in space that was written before this is one flush.
func File(f *os.File) error { return file(f) }

// Dir makes the names in a folder durable, after a rename or a removal. It does
// nothing where a folder can't be opened (Windows).
func Dir(path string) error { return dir(path) }
