// SPDX-License-Identifier: Apache-2.0

// Package event has the one type that every finding and action of hids is
// told in, and the outputs that take it: the JSON event log (ECS fields, one
// object a line), the OSSEC queue behind a spool, the terminal. What an event
// means, and when there is one, is the modules' business; the OSSEC wire text
// of a finding is made by the module that found it.
package event

import (
	"context"
	"time"
)

// Event follows the Elastic Common Schema. Fields that do not apply are left
// out of the JSON. Text that comes from outside (file names, users) must have
// gone through SafeText.
type Event struct {
	Time    time.Time `json:"@timestamp"`
	Message string    `json:"message"` // one sentence a person can read
	Host    Host      `json:"host"`
	Event   Meta      `json:"event"`
	Rule    *Rule     `json:"rule,omitempty"`
	File    *File     `json:"file,omitempty"`
	Process *Process  `json:"process,omitempty"`
	User    *User     `json:"user,omitempty"`
	Source  *Address  `json:"source,omitempty"` // whom a response is about
	HIDS    *Details  `json:"hids,omitempty"`
}

// Host names the machine.
type Host struct {
	Name string `json:"name"`
}

// Meta is ECS event.*.
type Meta struct {
	ID       string   `json:"id,omitempty"` // stable for one finding: rootcheck accept takes it
	Module   string   `json:"module"`       // execd, syscheck or rootcheck
	Kind     string   `json:"kind"`         // event, alert or state
	Category []string `json:"category,omitempty"`
	Type     []string `json:"type,omitempty"`
	Action   string   `json:"action"`             // created, updated, attributes_modified, deleted, moved; block, unblock, refuse …
	Outcome  string   `json:"outcome,omitempty"`  // success or failure
	Reason   string   `json:"reason,omitempty"`   // why it was done, refused or failed
	Severity int      `json:"severity"`           // 0 to 15, OSSEC's levels
	Sequence uint64   `json:"sequence,omitempty"` // counts up within one module's life
}

// Rule is the OSSEC rule a manager would fire for this.
type Rule struct {
	ID    string `json:"id"`
	Level int    `json:"level"`
	Name  string `json:"name,omitempty"`
}

// File is ECS file.*, the state after the change.
type File struct {
	Path       string            `json:"path"`
	Type       string            `json:"type,omitempty"` // file, dir, symlink, fifo, socket, device
	Size       *int64            `json:"size,omitempty"`
	Mode       string            `json:"mode,omitempty"` // octal, 0644
	UID        string            `json:"uid,omitempty"`
	GID        string            `json:"gid,omitempty"`
	Owner      string            `json:"owner,omitempty"`
	Group      string            `json:"group,omitempty"`
	Mtime      *time.Time        `json:"mtime,omitempty"`
	Ctime      *time.Time        `json:"ctime,omitempty"`
	Inode      string            `json:"inode,omitempty"`
	Device     string            `json:"device,omitempty"`
	TargetPath string            `json:"target_path,omitempty"`
	Hash       *Hash             `json:"hash,omitempty"`
	Xattrs     map[string]string `json:"xattrs,omitempty"` // name to hex
}

// Hash holds lower-case hex sums.
type Hash struct {
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Process is who did it, or whom a finding is about.
type Process struct {
	PID         int      `json:"pid,omitempty"`
	Name        string   `json:"name,omitempty"`
	Executable  string   `json:"executable,omitempty"`
	Args        []string `json:"args,omitempty"`
	CommandLine string   `json:"command_line,omitempty"`
	ExitCode    *int     `json:"exit_code,omitempty"`
}

// User is ECS user.*.
type User struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Address is ECS source.*.
type Address struct {
	IP string `json:"ip,omitempty"`
}

// Details is what ECS has no field for.
type Details struct {
	Changed  []string          `json:"changed,omitempty"` // names of the fields that differ
	Before   map[string]string `json:"before,omitempty"`
	After    map[string]string `json:"after,omitempty"`
	Diff     string            `json:"diff,omitempty"`    // unified, capped
	Trigger  string            `json:"trigger,omitempty"` // scheduled, realtime, scan-now or startup
	From     string            `json:"from,omitempty"`    // of a move: the old path
	Tags     []string          `json:"tags,omitempty"`
	Check    string            `json:"check,omitempty"`    // rootcheck: which check
	Advice   string            `json:"advice,omitempty"`   // how to look closer
	Response string            `json:"response,omitempty"` // execd: name in ar.conf
	Until    *time.Time        `json:"until,omitempty"`    // execd: when the block ends
	Count    int               `json:"count,omitempty"`
	Extra    map[string]string `json:"extra,omitempty"`
}

// Sink takes events. Emit returns once the event is handed on; it must not
// wait for a slow reader longer than ctx allows.
type Sink interface {
	Emit(ctx context.Context, e *Event) error
}

// SinkFunc makes a function a Sink.
type SinkFunc func(context.Context, *Event) error

// Emit calls f.
func (f SinkFunc) Emit(ctx context.Context, e *Event) error { return f(ctx, e) }
