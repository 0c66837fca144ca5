// SPDX-License-Identifier: Apache-2.0

// Package doctor examines an installation of hids and the host it is on, and
// says what is wrong and what to type to mend it. It is a list of small checks,
// one function each, that only look: nothing is changed, started or sent but
// questions to the daemons. It is no module: no process runs it, and it knows
// the modules by their values and by what they answer on their control sockets.
package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"hids/config"
	"hids/modules"
	"hids/platform/command"
	"hids/platform/features"
	"hids/platform/paths"
	"hids/platform/privdrop"
	"hids/platform/timesync"
)

// Level is how bad a finding is.
type Level string

// The levels. With a Warning hids works and sees or does less; with a Problem
// it does not do what it is configured to do, or can be abused.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is what one check has to say about one thing.
type Finding struct {
	Check     string `json:"check"`
	Level     Level  `json:"level"`
	Message   string `json:"message"`             // one line; may hold names that come from outside
	Fix       string `json:"fix,omitempty"`       // what to type, or to do
	Unchecked bool   `json:"unchecked,omitempty"` // it could not be looked at
}

// Patient is what is examined.
type Patient struct {
	Layout  paths.Layout
	Host    paths.Host
	Config  *config.Config   // nil: it can't be used
	Faults  config.Faults    // those that hids config check tells
	Modules []modules.Module // of this program
	Program string           // this program's file

	Run      command.Func                             // asks the service manager
	UserID   func(name string) (int, error)           // nil: of this system
	GroupID  func(name string) (int, error)           // nil: of this system
	Features func(context.Context) []features.Feature // nil: those of this kernel
	Clock    func() (kept bool, err error)            // nil: that of this kernel
	Now      time.Time
}

// check is one examination. It returns nothing where it has no meaning.
type check struct {
	name string
	run  func(context.Context, *examination) []Finding
}

// checks lists them in the order in which they are told: first what explains
// what follows.
func checks() []check {
	return []check{
		{"configuration", configuration},
		{"program", program},
		{"users", users},
		{"adoption", adoption},
		{"beside", beside},
		{"service", serviceState},
		{"modules", moduleStates},
		{"privileges", privileges},
		{"permissions", permissions},
		{"responses", responses},
		{"state", moduleState},
		{"sockets", sockets},
		{"queue", queues},
		{"watches", watches},
		{"files", openFiles},
		{"kernel", kernel},
		{"disk", disk},
		{"clock", clock},
	}
}

// Checks names the checks in their order.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// examination is one run of all checks.
type examination struct {
	Patient
	daemons []daemon // that answered
	deaf    []error  // why others did not
}

// Examine runs the checks with the given names, in their order; without names,
// every check.
func Examine(ctx context.Context, p Patient, names ...string) []Finding {
	e := &examination{Patient: p.complete()}
	e.askDaemons(ctx)
	findings := []Finding{}
	for _, c := range checks() {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		for _, f := range c.run(ctx, e) {
			f.Check = c.name
			findings = append(findings, f)
		}
	}
	return findings
}

// complete fills in this system for what is nil.
func (p Patient) complete() Patient {
	if p.UserID == nil {
		p.UserID = privdrop.UserID
	}
	if p.GroupID == nil {
		p.GroupID = privdrop.GroupID
	}
	if p.Features == nil {
		p.Features = features.List
	}
	if p.Clock == nil {
		p.Clock = timesync.Kept
	}
	return p
}

// enabled says whether a module is switched on; with a configuration that
// can't be used, nobody knows.
func (e *examination) enabled(m modules.Module) bool { return e.Config != nil && m.Enabled(e.Config) }

// root says whether this process may look everywhere.
func root() bool { return os.Geteuid() == 0 }

func good(format string, args ...any) Finding {
	return Finding{Level: OK, Message: fmt.Sprintf(format, args...)}
}

func warning(fix, format string, args ...any) Finding {
	return Finding{Level: Warning, Message: fmt.Sprintf(format, args...), Fix: fix}
}

func problem(fix, format string, args ...any) Finding {
	return Finding{Level: Problem, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// unchecked is about what this process was not allowed, or able, to look at.
func unchecked(err error) Finding {
	f := Finding{Level: Warning, Message: "not examined: " + err.Error(), Unchecked: true}
	if !root() {
		f.Fix = "run this as root"
	}
	return f
}

// orGood returns the findings, or that all is well.
func orGood(findings []Finding, format string, args ...any) []Finding {
	if len(findings) > 0 {
		return findings
	}
	return []Finding{good(format, args...)}
}
