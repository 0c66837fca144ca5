// SPDX-License-Identifier: Apache-2.0

package firewall

import "hids/platform/command"

func candidates(run command.Func) []Backend { return []Backend{pf(run)} }
