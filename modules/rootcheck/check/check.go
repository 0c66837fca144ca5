// SPDX-License-Identifier: Apache-2.0

// Package check is the contract between rootcheck and its checks: what a check
// is, what it is given (Scan) and what it says (Finding). A check asks one
// question of one host and keeps nothing between runs but its Memory. Which
// checks there are, when they run and where findings go is rootcheck's
// business; how the question is asked is the business of the package of the
// check. Nothing here reads a file.
package check

import (
	"context"
	"errors"
	"fmt"

	"hids/modules/rootcheck/walk"
)

// Check is one question put to a host.
type Check struct {
	Name  string // lower case, unique: "files", "pids"; what the command line takes
	Group Group  // under which heading its findings stand
	Title string // what it looks for, one line without a full stop

	// Switch names the OSSEC element that turns it off, without "check_":
	// "pids" for check_pids. The check's own name always works as well.
	Switch string

	// Live is true when it asks the running kernel. Such a check is left out
	// when the host is a mounted image.
	Live bool

	// OptIn is true when it runs only when it is named.
	OptIn bool

	// Needs says which capabilities it uses and what for. Without them it does
	// what it can and calls Scan.Fault for the rest.
	Needs []Need

	// Run asks. It reports what it finds, calls Scan.Fault for whatever it
	// could not look at, and returns an error only when there is no answer at
	// all. Where the question makes no sense (no such kernel interface, not
	// the initial pid namespace) the error is NotApplicable.
	Run func(ctx context.Context, s *Scan) error

	// Walk is there instead of Run where the question is about the whole file
	// system: the host is walked once for all such checks.
	Walk func(ctx context.Context, s *Scan) (walk.Visitor, error)
}

// Group is a heading.
type Group string

// The groups, in the order in which they are shown.
const (
	Signatures Group = "signatures"
	Files      Group = "files"
	Processes  Group = "processes"
	Kernel     Group = "kernel"
	Network    Group = "network"
	Accounts   Group = "accounts"
	SelfTest   Group = "self test"
	Policies   Group = "policies"
)

// Groups lists the groups in the order in which they are shown.
func Groups() []Group {
	return []Group{Signatures, Files, Processes, Kernel, Network, Accounts, SelfTest, Policies}
}

// Need is a capability and why a check asks for it.
type Need struct {
	Cap string `json:"capability"` // as in capabilities(7): "CAP_SYS_PTRACE"
	Why string `json:"why"`        // "read /proc/PID/exe of other users' processes"
}

// ErrNotApplicable marks a check that has no meaning on this host.
var ErrNotApplicable = errors.New("not applicable")

// NotApplicable returns an error that is ErrNotApplicable and says why.
func NotApplicable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotApplicable, fmt.Errorf(format, args...))
}
