// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"hids/platform/control"
)

func (r *rigged) metrics() string {
	r.t.Helper()
	body, err := r.supervisor().Stream(ceiling(r.t), http.MethodGet, "/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r *rigged) tells(lines ...string) {
	r.t.Helper()
	text := r.metrics()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line) {
			r.t.Errorf("%q is not in\n%s", line, text)
		}
	}
}

// The supervisor's numbers and the module's are in one answer.
func TestMetrics(t *testing.T) {
	r := start(t, func(o *Options) { o.Version = "1.2.3" })
	r.await("the event of the probe", func() bool {
		return strings.Contains(r.metrics(), `hids_events_total{module="probe"} 1`)
	})
	r.tells(
		`hids_build_info{process="hids",version="1.2.3",goversion="go`,
		`hids_module_up{module="probe"} 1`,
		`hids_module_answers{module="probe"} 1`,
		`hids_module_restarts_total{module="probe"} 0`,
		`hids_events_lost_total{module="probe"} 0`,
		`hids_config_last_reload_successful{process="hids"} 1`,
		"hids_probe_datagrams_total 0",
	)
	pid := r.mustProbe("").PID
	if err := killPID(pid); err != nil {
		t.Fatal(err)
	}
	r.waitPID(pid)
	r.tells(`hids_module_restarts_total{module="probe"} 1`)
}

// A module that tells nonsense, or speaks for others, is left out.
func TestMetricsOfBadModule(t *testing.T) {
	r := start(t, nil)
	for _, bad := range []string{
		"nonsense {",
		"hids_execd_blocks_active 0\n",
		"hids_module_up{module=\"execd\"} 1\n",
		"# TYPE hids_module_up counter\nhids_module_up{module=\"probe\"} 1\n",
		strings.Repeat("hids_probe_x{a=\""+strings.Repeat("x", 1000)+"\"} 1\n", 2000),
	} {
		if err := control.NewClient(r.layout.ControlSocket("probe")).Do(ceiling(t), http.MethodPut, "/metrics", bad, nil); err != nil {
			t.Fatal(err)
		}
		text := r.metrics()
		if !strings.Contains(text, `hids_module_answers{module="probe"} 0`) || strings.Contains(text, "hids_execd") || strings.Contains(text, "hids_probe") {
			t.Errorf("%.60q was taken:\n%.2000s", bad, text)
		}
	}
}
