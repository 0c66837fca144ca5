// SPDX-License-Identifier: Apache-2.0

// Package priority makes a process give way to others: for work that nobody
// waits for. What deserves that is the caller's business.
package priority

// Lower makes every thread of this process, and those that they start later,
// run as batch work and read disks only when nobody else does. It reports
// errors.ErrUnsupported where the system knows no such thing.
func Lower() error { return lower() }
