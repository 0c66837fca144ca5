// SPDX-License-Identifier: Apache-2.0

// Package mapping gives memory back that a mapped file has faulted in. The
// file, and what the kernel caches of it, stay as they are.
package mapping
