// SPDX-License-Identifier: Apache-2.0

// Package metrics writes numbers in the text format of Prometheus, and reads
// what another process wrote, so that one answer has those of all. The format
// is Prometheus' own encoder's and parser's. What is counted, and where, is the
// business of whoever has the numbers: a Set is a snapshot and remembers
// nothing.
//
// Names follow Prometheus: hids_ and the module first, base units (seconds,
// bytes), _total behind what only grows. All start at 0 with their process.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Set is numbers of one moment. Its zero value is empty. It is for one
// goroutine.
type Set struct {
	families map[string]*dto.MetricFamily
}

// Counter adds what only grows. Labels are names and values in turn.
func (s *Set) Counter(name, help string, value int64, labels ...string) {
	s.CounterFloat(name, help, float64(value), labels...)
}

// CounterFloat is Counter for seconds.
func (s *Set) CounterFloat(name, help string, value float64, labels ...string) {
	s.add(name, help, dto.MetricType_COUNTER, &dto.Metric{Counter: &dto.Counter{Value: &value}}, labels)
}

// Gauge adds what goes up and down.
func (s *Set) Gauge(name, help string, value float64, labels ...string) {
	s.add(name, help, dto.MetricType_GAUGE, &dto.Metric{Gauge: &dto.Gauge{Value: &value}}, labels)
}

// Bool is a Gauge of 0 or 1.
func (s *Set) Bool(name, help string, value bool, labels ...string) {
	n := 0.0
	if value {
		n = 1
	}
	s.Gauge(name, help, n, labels...)
}

// Time is a Gauge of a moment, in seconds since 1970. What has not been is left
// out.
func (s *Set) Time(name, help string, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.Gauge(name, help, float64(t.UnixMilli())/1000, labels...)
	}
}

func (s *Set) add(name, help string, kind dto.MetricType, m *dto.Metric, labels []string) {
	for i := 0; i+1 < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	f := s.family(name)
	f.Help, f.Type = &help, &kind
	f.Metric = append(f.Metric, m)
}

func (s *Set) family(name string) *dto.MetricFamily {
	if s.families == nil {
		s.families = map[string]*dto.MetricFamily{}
	}
	f := s.families[name]
	if f == nil {
		f = &dto.MetricFamily{Name: &name}
		s.families[name] = f
	}
	return f
}

// Write writes the set, ordered by name.
func (s *Set) Write(w io.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		if _, err := expfmt.MetricFamilyToText(w, s.families[name]); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// errKind is about two processes that mean different things by one name.
var errKind = errors.New("read metrics: one name has two types")

// Read adds what another process wrote, all or nothing.
func (s *Set) Read(r io.Reader) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	more, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	return s.Merge(&Set{families: more})
}

// Merge adds another set, all or nothing.
func (s *Set) Merge(more *Set) error {
	for name, f := range more.families {
		if have := s.families[name]; have != nil && have.GetType() != f.GetType() {
			return fmt.Errorf("%w: %s", errKind, name)
		}
	}
	for name, f := range more.families {
		have := s.family(name)
		have.Help, have.Type = f.Help, f.Type
		have.Metric = append(have.Metric, f.GetMetric()...)
	}
	return nil
}

// About holds that every number has a name with the prefix, or the label with
// the value.
func (s *Set) About(prefix, label, value string) error {
	for name, f := range s.families {
		if strings.HasPrefix(name, prefix) {
			continue
		}
		for _, m := range f.GetMetric() {
			if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() == value }) {
				return fmt.Errorf("read metrics: %s is about something else than %s %s", name, label, value)
			}
		}
	}
	return nil
}

// Handler answers with what collect puts into a set.
func Handler(collect func(context.Context, *Set)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s Set
		collect(r.Context(), &s)
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		_ = s.Write(w) // the peer is gone: nobody to tell
	})
}
