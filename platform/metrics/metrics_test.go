// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func example() *Set {
	s := &Set{}
	s.Gauge("hids_b_bytes", "Bytes.", 1.5, "module", "x")
	s.Counter("hids_a_total", "What\nwas \\ counted.", 1<<40, "why", "a \"b\"\n\\", "module", "x")
	s.Bool("hids_up", "Up.", true)
	s.Time("hids_time_seconds", "Then.", time.UnixMilli(1500))
	s.Time("hids_never_seconds", "Never.", time.Time{})
	return s
}

const written = `# HELP hids_a_total What\nwas \\ counted.
# TYPE hids_a_total counter
hids_a_total{why="a \"b\"\n\\",module="x"} 1.099511627776e+12
# HELP hids_b_bytes Bytes.
# TYPE hids_b_bytes gauge
hids_b_bytes{module="x"} 1.5
# HELP hids_time_seconds Then.
# TYPE hids_time_seconds gauge
hids_time_seconds 1.5
# HELP hids_up Up.
# TYPE hids_up gauge
hids_up 1
`

func text(t *testing.T, s *Set) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	if diff := cmp.Diff(written, text(t, example())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What was written is read, and numbers of the same name stand together.
func TestRead(t *testing.T) {
	s := &Set{}
	if err := s.Read(strings.NewReader(written)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, text(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Gauge("hids_b_bytes", "Bytes.", 2, "module", "y")
	want := strings.Replace(written, "hids_b_bytes{module=\"x\"} 1.5\n", "hids_b_bytes{module=\"x\"} 1.5\nhids_b_bytes{module=\"y\"} 2\n", 1)
	if diff := cmp.Diff(want, text(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What makes no sense spoils nothing.
func TestReadRefuses(t *testing.T) {
	for _, bad := range []string{"nonsense {", "# TYPE hids_up counter\nhids_up 1\nhids_new 1\n"} {
		s := example()
		if err := s.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
		if got := text(t, s); got != written {
			t.Errorf("%q spoilt the set:\n%s", bad, got)
		}
	}
	if err := example().Read(strings.NewReader("# TYPE hids_up counter\nhids_up 1\n")); !errors.Is(err, errKind) {
		t.Errorf("got %v", err)
	}
}

func TestAbout(t *testing.T) {
	s := &Set{}
	s.Gauge("hids_x_files", "Files.", 1)
	s.Gauge("hids_spool_bytes", "Bytes.", 1, "module", "x")
	if err := s.About("hids_x_", "module", "x"); err != nil {
		t.Error(err)
	}
	for _, label := range []string{"y", "xx"} {
		bad := &Set{}
		bad.Gauge("hids_spool_bytes", "Bytes.", 1, "module", label)
		if bad.About("hids_x_", "module", "x") == nil {
			t.Errorf("%s speaks for x", label)
		}
	}
}

func TestHandler(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(func(_ context.Context, s *Set) { *s = *example() }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Body.String() != written || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("got %q, %q", w.Header(), w.Body)
	}
}
