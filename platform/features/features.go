// SPDX-License-Identifier: Apache-2.0

// Package features asks the kernel for the parts that hids can use. It asks by
// using them, so that a part that is there and is forbidden counts as missing,
// and leaves nothing behind. What a part is needed for is known by the caller.
package features

import "context"

// Feature is one part of the kernel.
type Feature struct {
	Name string
	Err  error // why it can't be used; nil: it can
}

// The names of the features that List may return.
const (
	Nftables = "nftables"
	Inotify  = "inotify"
	Fanotify = "fanotify"
	SockDiag = "sock_diag"
	BPF      = "bpf"
	Landlock = "landlock"
	Pidfd    = "pidfd"
)

// List tries every feature. It is empty on systems that have none of them.
func List(ctx context.Context) []Feature { return list(ctx) }
