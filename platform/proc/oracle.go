// SPDX-License-Identifier: Apache-2.0

package proc

// Oracle is a system call that says whether a task exists. A kernel rootkit
// that hides a process has to lie in every one of them.
type Oracle struct {
	Name string

	// Leaders is true when threads other than the first count as absent.
	Leaders bool

	// Dear is true when the call does more than look the task up (a second
	// search, a copy, a hook of a security module), which for millions of ids
	// adds up to seconds.
	Dear bool

	// Ask reports whether the kernel knows a task of this id. Every answer but
	// "no such process" is yes: without privilege it is "not permitted".
	Ask func(id int) bool
}

// Trusted returns the oracles that tell this process from a task that cannot
// be (an id above every pid_max). A call that the kernel lacks, or that a
// filter answers for it, is left out.
func Trusted(all []Oracle, self int) []Oracle {
	const nobody = 1<<30 - 1
	var good []Oracle
	for _, o := range all {
		if o.Ask(self) && !o.Ask(nobody) {
			good = append(good, o)
		}
	}
	return good
}
