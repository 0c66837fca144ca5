// SPDX-License-Identifier: Apache-2.0

// Package procname is about how a process names itself to the kernel and finds
// its own program. Both matter because hids runs itself again under other names.
package procname
