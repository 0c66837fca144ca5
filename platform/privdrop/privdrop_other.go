// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package privdrop

import "os/exec"

// Cap is a capability; only Linux has them.
type Cap string

// ParseCaps takes the names as they are.
func ParseCaps(names []string) ([]Cap, error) {
	var caps []Cap
	for _, n := range names {
		caps = append(caps, Cap(n))
	}
	return caps, nil
}

// String returns the name.
func (c Cap) String() string { return string(c) }

// CapsIn returns none.
func CapsIn(uint64) []Cap { return nil }

// Held returns none: there are no capabilities here to be handed on.
func Held(caps []Cap) (held, missing []Cap) { return nil, caps }

// Starter starts programs under one Plan.
type Starter struct{ plan Plan }

// NewStarter returns a Starter.
func NewStarter(p Plan) (*Starter, error) { return &Starter{p}, nil }

// Start starts cmd as the user and group of the plan.
func (s *Starter) Start(cmd *exec.Cmd) error {
	if err := identity(cmd, s.plan); err != nil {
		return err
	}
	return cmd.Start()
}

// Close does nothing.
func (s *Starter) Close() {}
