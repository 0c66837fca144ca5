// SPDX-License-Identifier: Apache-2.0

// Package all is the list of modules. It is the one place that names them all;
// a new module is one line here.
package all

import (
	"hids/modules"
	"hids/modules/execd"
	"hids/modules/rootcheck"
	"hids/modules/syscheckd"
)

// List returns the modules in the order in which they are started: what
// protects now before what looks back.
func List() []modules.Module {
	return []modules.Module{
		execd.Module(),
		syscheckd.Module(),
		rootcheck.Module(),
	}
}

// Named returns the modules with the given names, in start order.
func Named(names ...string) []modules.Module {
	var out []modules.Module
	for _, m := range List() {
		for _, n := range names {
			if m.Name == n {
				out = append(out, m)
			}
		}
	}
	return out
}
