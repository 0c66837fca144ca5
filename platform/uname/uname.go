// SPDX-License-Identifier: Apache-2.0

// Package uname asks the kernel what it is called. What the answer is used for
// is not known here.
package uname

import "strings"

// version is what OSSEC's daemons say of themselves behind the kernel's names.
const version = "OSSEC HIDS v4.3.0"

// Text returns the line that os="…" of OSSEC's agent.conf is matched with:
// "sysname nodename release version machine - OSSEC HIDS v4.3.0". It is empty
// where the kernel can't be asked.
func Text() string {
	fields := fields()
	if len(fields) == 0 {
		return ""
	}
	return strings.Join(fields, " ") + " - " + version
}
