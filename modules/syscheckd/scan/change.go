// SPDX-License-Identifier: Apache-2.0

// Package scan compares files with the baseline: one sorted walk joined with
// the baseline's cursor, every file inspected once. It says what changed; what
// is told to whom, and when to scan, is decided by its callers. How a tree is
// read is platform/fswalk's business, how records are kept is package
// baseline's.
package scan

import (
	"hids/config"
	"hids/modules/syscheckd/record"
)

// Action is what happened to a file, named as in ECS event.action.
type Action string

// The actions.
const (
	Created            Action = "created"
	Updated            Action = "updated"             // other content, perhaps other attributes too
	AttributesModified Action = "attributes_modified" // the same content
	Deleted            Action = "deleted"
	Moved              Action = "moved" // same inode, or the same content elsewhere
)

// Change is one difference between what was and what is.
type Change struct {
	Action Action
	Path   string            // raw bytes of the name: make it safe before showing it
	From   string            // of a move: where it was
	Old    *record.Record    // nil if created
	New    *record.Record    // nil if deleted
	Fields []record.Field    // what differs between Old and New; of a move: besides the path
	Entry  *config.Directory // the entry that watches Path; nil if none does any more
}
