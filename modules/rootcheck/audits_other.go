// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package rootcheck

import "hids/config"

// windowsAudits is empty: OSSEC reads these settings everywhere, and asks such
// policies on Windows alone.
func windowsAudits(*config.Rootcheck) []audit { return nil }
