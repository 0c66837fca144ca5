// SPDX-License-Identifier: Apache-2.0

package rootcheck

import "hids/config"

// windowsAudits lists the policies that are asked on Windows.
func windowsAudits(cfg *config.Rootcheck) []audit { return allWindowsAudits(cfg) }
