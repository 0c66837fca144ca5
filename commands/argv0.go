// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"path/filepath"
	"slices"
	"strings"

	"hids/modules/all"
	"hids/modules/execd/response"
	"hids/modules/supervisor"
)

// entry returns how to run under a name other than hids, or nil for the plain
// command tree. The names are those of OSSEC's daemons (ossec-execd), of the
// module processes (hids-execd) and of the response scripts (firewall-drop.sh).
func (p *program) entry(argv0 string) func(args []string) int {
	if supervisor.IsChild() {
		return func([]string) int { return supervisor.Child(all.List()) }
	}
	name := strings.TrimSuffix(filepath.Base(argv0), ".exe")
	for _, d := range ossecDaemons() {
		if d.name == name {
			return p.ossecEntry(d)
		}
	}
	if module, ok := strings.CutPrefix(name, "hids-"); ok {
		return p.moduleEntry(module)
	}
	if slices.Contains(response.Names(), name) {
		return p.scriptEntry(name)
	}
	return nil
}

// moduleEntry makes hids-syscheckd the same as hids syscheck.
func (p *program) moduleEntry(module string) func(args []string) int {
	return func(args []string) int {
		return p.runTree(append([]string{strings.TrimSuffix(module, "d")}, args[1:]...))
	}
}
