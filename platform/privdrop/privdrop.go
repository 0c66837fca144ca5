// SPDX-License-Identifier: Apache-2.0

// Package privdrop starts programs with fewer privileges than this process has:
// another user, one group, a few capabilities, and no way to get more. Which
// privileges a module needs is written beside the module.
package privdrop

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// Plan is what a program will be allowed.
type Plan struct {
	UID, GID int // -1: as this process
	// Limit: only Caps stay, and exec gives no new privileges. Without it the
	// capabilities stay as they are.
	Limit bool
	Caps  []Cap
}

// UnknownError is a user or group that the system does not have.
type UnknownError struct {
	Kind string // "user" or "group"
	Name string
}

func (e *UnknownError) Error() string { return fmt.Sprintf("no %s %q on this system", e.Kind, e.Name) }

// UserID returns the id of a user. The error is an *UnknownError when there is
// no such user.
func UserID(name string) (int, error) {
	u, err := user.Lookup(name)
	if _, ok := errors.AsType[user.UnknownUserError](err); ok {
		return 0, &UnknownError{"user", name}
	}
	if err != nil {
		return 0, fmt.Errorf("look up user: %w", err)
	}
	return strconv.Atoi(u.Uid)
}

// GroupID returns the id of a group. The error is an *UnknownError when there
// is no such group.
func GroupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if _, ok := errors.AsType[user.UnknownGroupError](err); ok {
		return 0, &UnknownError{"group", name}
	}
	if err != nil {
		return 0, fmt.Errorf("look up group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}
