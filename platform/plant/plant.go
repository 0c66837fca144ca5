// SPDX-License-Identifier: Apache-2.0

// Package plant puts onto this machine, for the length of a test, what
// rootcheck looks for and what takes a system call to make: a BPF program, a
// packet socket with a filter, an immutable file, a program that runs from
// memory. It also gives a test namespaces of its own to do such things in.
// Only tests import it. Whatever it makes ends with the test.
package plant
