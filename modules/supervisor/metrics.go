// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"hids/platform/control"
	"hids/platform/metrics"
)

// measureTime is how long the modules may take to tell their numbers; who asks
// (Prometheus gives up after ten seconds) gets what there is by then.
const measureTime = 5 * time.Second

// counts are a module's events, since the start of the supervisor.
type counts struct {
	events atomic.Int64 // handed on by the module
	lost   atomic.Int64 // that did not get into the log; a batch counts once
}

// measure answers GET /metrics: what the supervisor knows, and what the modules
// tell of themselves.
func (s *supervisor) measure(ctx context.Context, m *metrics.Set) {
	st := s.status()
	// Under OSSEC's names there are two supervisors.
	m.Gauge("hids_build_info", "The program; the value is always 1.", 1, "process", st.Name, "version", s.o.Version, "goversion", runtime.Version())
	m.Time("hids_start_time_seconds", "When the supervisor was started.", st.Started, "process", st.Name)
	m.Bool("hids_config_last_reload_successful", "Whether the last reload was taken, or there was none.", st.Reload.Error == "", "process", st.Name)
	m.Time("hids_config_last_reload_timestamp_seconds", "When the configuration was last asked to be read again.", st.Reload.Time, "process", st.Name)
	for i := range st.Modules {
		s.measureModule(m, &st.Modules[i])
	}
	s.askModules(ctx, m, st.Modules)
}

func (s *supervisor) measureModule(m *metrics.Set, st *ModuleStatus) {
	c := s.launch.counts(st.Name)
	m.Bool("hids_module_up", "Whether the module's process works.", st.State == StateRunning, "module", st.Name)
	m.Counter("hids_module_restarts_total", "Times that the module's process was started again.", int64(st.Restarts), "module", st.Name)
	m.Time("hids_module_start_time_seconds", "When the module's process was started.", st.Since, "module", st.Name)
	m.Counter("hids_events_total", "Events that the module handed on to the event log.", c.events.Load(), "module", st.Name)
	m.Counter("hids_events_lost_total", "Events, or batches of them, that did not get into the event log.", c.lost.Load(), "module", st.Name)
}

// askModules asks all modules at the same time. One that does not answer, or
// answers nonsense, is left out and marked.
func (s *supervisor) askModules(ctx context.Context, m *metrics.Set, all []ModuleStatus) {
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	sets := make([]metrics.Set, len(all))
	var wg sync.WaitGroup
	answered := make([]bool, len(all))
	for i := range all {
		if all[i].State == StateRunning {
			wg.Go(func() { answered[i] = s.askModule(ctx, all[i].Name, &sets[i]) == nil })
		}
	}
	wg.Wait()
	for i := range all {
		taken := answered[i] && m.Merge(&sets[i]) == nil
		m.Bool("hids_module_answers", "Whether the module has told its numbers.", taken, "module", all[i].Name)
	}
}

func (s *supervisor) askModule(ctx context.Context, name string, into *metrics.Set) error {
	body, err := control.NewClient(s.o.Layout.ControlSocket(name)).Stream(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := into.Read(io.LimitReader(body, maxMetrics)); err != nil {
		return err
	}
	// One that was taken over must not speak for others.
	return into.About("hids_"+name+"_", "module", name)
}

// maxMetrics bounds what one module may tell.
const maxMetrics = 1 << 20
