// SPDX-License-Identifier: Apache-2.0

//go:build unix

package signals

import (
	"os"
	"syscall"
)

// ParentDeath is what a process is sent when its parent dies, where the kernel
// does that. It is none of the stopping signals: nobody has asked to stop.
const ParentDeath = syscall.SIGUSR1

func orphaning() []os.Signal { return []os.Signal{ParentDeath} }

func stopping() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGALRM}
}

func reloading() []os.Signal { return []os.Signal{syscall.SIGHUP} }

func idle() []os.Signal { return []os.Signal{syscall.SIGHUP, syscall.SIGPIPE} }
