// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !freebsd && !openbsd && !netbsd && !darwin && !windows

package firewall

import "hids/platform/command"

func candidates(command.Func) []Backend { return nil }
