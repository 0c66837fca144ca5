// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"hids/config"
	"hids/modules"
	"hids/platform/paths"
)

// SumFields says how many sums of a file the manager is sent, 6 or 7: what is
// configured, else what the OSSEC on this host has sent so far.
func SumFields(cfg *config.Config, host paths.Host) int {
	return int(fieldsOf(modules.Env{Config: cfg, Host: host}))
}
