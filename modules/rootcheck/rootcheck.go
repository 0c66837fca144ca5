// SPDX-License-Identifier: Apache-2.0

// Package rootcheck is the module that looks for rootkits and for settings
// that should be different: when the checks run, over which host, what became
// of each finding (new, accepted, gone) and what is sent. The contract of a
// check is in check; the checks that OSSEC has are here, one file each; modern
// Linux checks, the policy language and signature files are subpackages.
package rootcheck
