// SPDX-License-Identifier: Apache-2.0

// Package socketpair makes two connected sockets, one to keep and one for a
// process that is about to be started.
package socketpair
