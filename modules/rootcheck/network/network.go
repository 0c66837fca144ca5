// SPDX-License-Identifier: Apache-2.0

// Package network has the checks of rootcheck that are about sockets and
// interfaces: ports and sockets that one listing shows and another does not,
// who listens to other people's traffic, and listeners that are new. How
// sockets are listed is platform/netstat's business. All of it is about the
// network namespace that rootcheck runs in.
package network
