// SPDX-License-Identifier: Apache-2.0

// Package modules says what a module is: a value that names a process, its
// privileges and how to start it. The modules themselves are its subfolders,
// their list is modules/all, and what runs them is modules/supervisor. Nothing
// here starts, logs or opens anything.
package modules

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"

	"hids/config"
	"hids/modules/event"
	"hids/platform/paths"
)

// Module describes one process of hids. The life cycle is
//
//	Enabled → (new process, privileges dropped) → New → Run, which calls Env.Ready → end of ctx → Run returns
//
// New reads state and fails early; it must not start goroutines. Run starts
// everything, calls Env.Ready once it serves, and returns only when all that
// it started has ended.
type Module struct {
	Name       string // "execd"; the process is called hids-execd
	Alias      string // the OSSEC daemon it stands in for: "ossec-execd"; "" if none
	Privileges Privileges
	Files      []string // what the supervisor keeps open for it: "execq", OSSEC's request socket
	Enabled    func(*config.Config) bool
	New        func(Env) (Daemon, error)
}

// Privileges is what a module's process keeps.
type Privileges struct {
	Root  bool     // stays uid 0 with every capability (responses change firewalls)
	User  string   // else the user it becomes
	Group string   // and the group, also when Root: OSSEC's execd has gid ossec
	Caps  []string // and the capabilities that stay, as "CAP_DAC_READ_SEARCH"
	// Confined keeps it, and what it starts, from writing outside of its state,
	// whatever its user may do, where the system can: of other files it may only
	// remove those in var/run.
	Confined bool
}

// Daemon is a running module.
type Daemon interface {
	// Run serves until ctx ends. An error ends the process, and the
	// supervisor starts it again with a growing pause.
	Run(ctx context.Context) error
}

// ErrSupervisorGone is the cause (context.Cause) with which Run's ctx ends when
// the supervisor has died and not asked anybody to stop. What is to outlive a
// crash must outlive that.
var ErrSupervisorGone = errors.New("the supervisor has gone")

// Reloader is a Daemon that takes a new configuration without a restart. A
// configuration that it can't use is refused with an error, and the old one
// stays in force. A Daemon that is no Reloader is restarted instead.
type Reloader interface {
	Reload(ctx context.Context, cfg *config.Config) error
}

// Controller is a Daemon that answers operators over its control socket,
// HTTP with JSON bodies. GET must not change anything; only root and the
// module's own user get through to the other methods.
type Controller interface {
	Control() http.Handler
}

// Env is what a module gets from whoever runs it.
type Env struct {
	Config *config.Config
	Layout paths.Layout
	Host   paths.Host
	Log    *slog.Logger
	Events event.Sink          // the local event log; safe for use by many goroutines
	Files  map[string]*os.File // what Module.Files asks for, by name; the module closes them
	Ready  func()              // call once, when the module serves
}
