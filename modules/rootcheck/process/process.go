// SPDX-License-Identifier: Apache-2.0

// Package process has the checks of rootcheck that are about processes: pids
// that the kernel knows and a listing does not show, mounts that cover them,
// programs that run from where no program belongs, preloaded libraries, and
// the self test with ls and ps. How procfs is read and the kernel asked is
// platform/proc's business; files that no process has open belong to the
// package files.
package process
