// SPDX-License-Identifier: Apache-2.0

package signals

// HeedReserved gives the two signals that C libraries keep for themselves their
// default action where they are ignored. glibc's posix_spawn(3), and so make,
// starts programs with them ignored; that would reach every program we start,
// and os/signal does not know these signals.
func HeedReserved() { heedReserved() }
