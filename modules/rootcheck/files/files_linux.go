// SPDX-License-Identifier: Apache-2.0

package files

import "hids/modules/rootcheck/check"

// Checks lists the checks of this package in the order in which they run.
func Checks() []check.Check {
	search := check.Need{Cap: "CAP_DAC_READ_SEARCH", Why: "look into every folder"}
	return []check.Check{
		{
			Name: "filesystem", Group: check.Files,
			Title: "privileged programs that no package owns, immutable files, odd names, folders about which system calls disagree",
			Needs: []check.Need{search}, Walk: fileSystem,
		}, {
			Name: "loader", Group: check.Files,
			Title: "libraries that are loaded into every program, and a patched loader",
			Needs: []check.Need{search}, Run: loader,
		}, {
			Name: "accounts", Group: check.Accounts,
			Title: "accounts with root's rights, shared ids or no password",
			Needs: []check.Need{search}, Run: accounts,
		},
	}
}
