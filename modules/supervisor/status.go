// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"hids/config"
	"hids/platform/control"
	"hids/platform/metrics"
)

// State is what a module's process does.
type State string

// The states. Waiting is the pause before the next start.
const (
	StateOff      State = "off"
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateWaiting  State = "waiting"
	StateStopping State = "stopping"
)

// ModuleStatus is what the supervisor knows of one module.
type ModuleStatus struct {
	Name         string    `json:"name"`
	State        State     `json:"state"`
	PID          int       `json:"pid,omitempty"`
	Since        time.Time `json:"since,omitzero"` // when this process was started
	Restarts     int       `json:"restarts"`
	LastExit     string    `json:"last_exit,omitempty"` // why the process before this one ended
	User         string    `json:"user,omitempty"`      // names, or ids where there is no name
	Group        string    `json:"group,omitempty"`
	Capabilities []string  `json:"capabilities"` // "all" for root without a limit
}

// ReloadStatus is how the last reload went.
type ReloadStatus struct {
	Time  time.Time `json:"time,omitzero"`
	Error string    `json:"error,omitempty"`
}

// Status is the answer of a supervisor to GET /status.
type Status struct {
	Name    string         `json:"name"`
	PID     int            `json:"pid"`
	Started time.Time      `json:"started"`
	Home    string         `json:"home"`
	Files   []string       `json:"configuration"` // that were read; none: the built-in default
	Reload  ReloadStatus   `json:"reload"`
	Modules []ModuleStatus `json:"modules"`
}

func (s *supervisor) status() Status {
	s.mu.Lock()
	st := Status{
		Name: s.o.Name, PID: os.Getpid(), Started: s.started, Home: s.o.Layout.Home,
		Files: append([]string{}, s.cfg.Files...), Reload: s.reload,
	}
	s.mu.Unlock()
	for i, w := range s.workers {
		m := w.status()
		s.launch.ids[s.o.Modules[i].Name].describe(&m)
		st.Modules = append(st.Modules, m)
	}
	return st
}

// summary is one line for the service manager.
func (s *supervisor) summary() string {
	var parts []string
	for _, w := range s.workers {
		st := w.status()
		parts = append(parts, st.Name+" "+string(st.State))
	}
	return strings.Join(parts, ", ")
}

// SocketName is the name of a supervisor's control socket: "supervisor" with
// all modules, "supervisor-execd" with only that one.
func SocketName(name string) string {
	if name == "hids" {
		return "supervisor"
	}
	_, module, _ := strings.Cut(name, "-")
	return "supervisor-" + module
}

// answer serves the control socket until ctx ends.
func (s *supervisor) answer(ctx context.Context) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, s.status())
	})
	mux.Handle("GET /metrics", metrics.Handler(s.measure))
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if err := s.reloadNow(context.WithoutCancel(r.Context())); err != nil {
			control.WriteError(w, http.StatusUnprocessableEntity, err)
			return
		}
		control.WriteJSON(w, http.StatusOK, s.status())
	})
	if err := control.Serve(ctx, s.keep.control, mux, s.o.Log); err != nil {
		s.o.Log.Error("control socket failed", "err", err)
	}
}

// reloadNow loads the configuration and hands it to the modules. One that
// can't be used is refused: the old one stays in force. A module that refuses
// what others took keeps its old one, and the error says so.
func (s *supervisor) reloadNow(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.tell(s.manager.Reloading())
	err := s.reloadWith(ctx)
	st := ReloadStatus{Time: time.Now()}
	if err != nil {
		st.Error = err.Error()
		s.o.Log.Error("configuration refused; the old one stays in force", "err", err)
	} else {
		s.o.Log.Info("configuration read again")
	}
	s.mu.Lock()
	s.reload = st
	s.mu.Unlock()
	s.tell(s.manager.Ready(s.summary()))
	return err
}

func (s *supervisor) reloadWith(ctx context.Context) error {
	cfg, err := s.o.Load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	var faults []error
	for i, w := range s.workers {
		if err := s.reloadOne(ctx, i, cfg); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", w.name, err))
		}
	}
	if len(faults) < len(s.workers) {
		s.mu.Lock()
		s.cfg = cfg
		s.mu.Unlock()
		if err := s.keep.log.Configure(eventOptions(cfg, s.keep.gid)); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (s *supervisor) reloadOne(ctx context.Context, i int, cfg *config.Config) error {
	w := s.workers[i]
	if !s.o.Modules[i].Enabled(cfg) {
		w.stop(ctx)
		return nil
	}
	return w.reload(ctx, cfg)
}
