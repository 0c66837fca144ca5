// SPDX-License-Identifier: Apache-2.0

//go:build unix

package signals

import (
	"os"
	"syscall"
)

func stopping() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGALRM}
}

func reloading() []os.Signal { return []os.Signal{syscall.SIGHUP} }

func idle() []os.Signal { return []os.Signal{syscall.SIGHUP, syscall.SIGPIPE} }
