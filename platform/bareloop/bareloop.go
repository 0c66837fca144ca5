// SPDX-License-Identifier: Apache-2.0

// Package bareloop reads and hashes a tree with the least work that can do it:
// bare system calls, no order, no checks, nothing kept. It is the yardstick for
// the benchmarks of a scan, and nothing else may import it: it trusts the tree.
package bareloop

// Result is what was read.
type Result struct {
	Files, Bytes int64
}
