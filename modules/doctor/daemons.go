// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hids/modules/event/courier"
	"hids/platform/control"
)

// answerTime is how long a daemon may take to say how it is.
const answerTime = 10 * time.Second

// daemon is what a supervisor tells of itself and of its modules, as far as
// the checks need it.
type daemon struct {
	Name    string
	PID     int
	Started time.Time
	Reload  struct {
		Time  time.Time
		Error string
	}
	Modules []process
}

// process is a module of a daemon's.
type process struct {
	Name     string
	State    string
	PID      int
	Restarts int
	LastExit string `json:"last_exit"`
	User     string

	detail detail
	deaf   error // why it did not answer
}

// The states that the checks know.
const (
	stateRunning  = "running"
	stateStarting = "starting"
)

// detail is what modules tell of themselves. Each has some of it.
type detail struct {
	Queue      *courier.Status
	Watched    int
	Unwatched  int
	Overflows  int64
	Unsaved    int64
	UndoFailed int64 `json:"undo_failed"`
}

// askDaemons asks the supervisors of the installation, one with all modules or
// one for each, and their modules.
func (e *examination) askDaemons(ctx context.Context) {
	dir := filepath.Dir(e.Layout.ControlSocket("supervisor"))
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.deaf = append(e.deaf, err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "supervisor") || !strings.HasSuffix(entry.Name(), ".sock") {
			continue
		}
		d, err := e.askDaemon(ctx, filepath.Join(dir, entry.Name()))
		switch {
		case errors.Is(err, control.ErrNotRunning): // left by one that was killed
		case err != nil:
			e.deaf = append(e.deaf, err)
		default:
			e.daemons = append(e.daemons, *d)
		}
	}
}

func (e *examination) askDaemon(ctx context.Context, socket string) (*daemon, error) {
	d := &daemon{}
	if err := ask(ctx, socket, d); err != nil {
		return nil, err
	}
	for i := range d.Modules {
		if m := &d.Modules[i]; m.State == stateRunning {
			m.deaf = ask(ctx, e.Layout.ControlSocket(m.Name), &m.detail)
		}
	}
	return d, nil
}

func ask(ctx context.Context, socket string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := control.NewClient(socket).Get(ctx, "/status", into); err != nil {
		return fmt.Errorf("%s: %w", socket, err)
	}
	return nil
}

// process returns a module's process, nil where no supervisor has it.
func (e *examination) process(module string) *process {
	for i := range e.daemons {
		for j := range e.daemons[i].Modules {
			if m := &e.daemons[i].Modules[j]; m.Name == module {
				return m
			}
		}
	}
	return nil
}

// processes are those that run.
func (e *examination) processes() []*process {
	var all []*process
	for _, m := range e.Modules {
		if p := e.process(m.Name); p != nil && p.State == stateRunning {
			all = append(all, p)
		}
	}
	return all
}
