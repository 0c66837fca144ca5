// SPDX-License-Identifier: Apache-2.0

// Package kernel has the checks of rootcheck that are about the kernel itself:
// modules that one listing shows and another does not, taint, BPF programs,
// and the settings through which a kernel starts programs or gives up its
// protection. Files of /proc and /sys are read through paths.Host, so that
// what no test can load into a running kernel is tested with fixtures.
package kernel
