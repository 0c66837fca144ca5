// SPDX-License-Identifier: Apache-2.0

// Package files has the checks of rootcheck that are about what intruders
// leave in the file system and OSSEC does not look for: programs with rights
// that no package gave them, files that nobody can change, names that want to
// be overlooked, folders about which two system calls disagree, preloaded
// libraries, and accounts. OSSEC's own file checks (signatures, trojans, /dev,
// link counts, world-writable files) are rootcheck's.
package files
