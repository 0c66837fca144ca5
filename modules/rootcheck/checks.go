// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"slices"

	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/kernel"
	"hids/modules/rootcheck/process"
	"hids/platform/paths"
)

// Checks lists every check in the order in which they run: OSSEC's order, with
// those that OSSEC does not have before its last one.
func Checks(layout paths.Layout) []check.Check {
	o := &ossec{layout: layout}
	return slices.Concat(o.checks(), process.Checks(), kernel.Checks(), []check.Check{interfaces()})
}
