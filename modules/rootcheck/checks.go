// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"slices"

	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/files"
	"hids/modules/rootcheck/kernel"
	"hids/modules/rootcheck/network"
	"hids/modules/rootcheck/process"
	"hids/platform/paths"
)

// Checks lists every check in the order in which they run, which is OSSEC's for
// those that OSSEC has: files, trojans, policies, dev, sys, processes, ports,
// interfaces.
func Checks(layout paths.Layout) []check.Check {
	o := &ossec{layout: layout}
	return slices.Concat(o.checks(), process.Checks(), network.Checks(), kernel.Checks(), files.Checks())
}
