// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
	"hids/platform/paths"
)

// plant is a tree of files by path: one that ends in / is a folder, a content
// that begins with "-> " a symbolic link.
type plant map[string]string

func (p plant) in(t *testing.T, root string) {
	t.Helper()
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		full := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		target, isLink := strings.CutPrefix(p[name], "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(full, 0o755))
		case isLink:
			must(t, os.Symlink(target, full))
		default:
			must(t, os.WriteFile(full, []byte(p[name]), 0o644))
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// image is a host of planted files.
func image(t *testing.T, p plant) paths.Host {
	t.Helper()
	root := t.TempDir()
	p.in(t, root)
	h, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	h.Close()
	return paths.Host{Root: root}
}

// scanHost runs checks over a host.
func scanHost(t *testing.T, host paths.Host, cfg *config.Rootcheck, names ...string) ([]check.Finding, []Outcome) {
	t.Helper()
	var findings []check.Finding
	sc := Scanner{Host: host, Config: cfg, Log: slog.New(slog.DiscardHandler), Checks: Checks(paths.Layout{Home: t.TempDir()})}
	outcomes, err := sc.Run(t.Context(), names,
		func(string) *check.Memory { return check.NewMemory(nil) },
		func(f check.Finding) { findings = append(findings, f) })
	must(t, err)
	return findings, outcomes
}

// titles returns the rule and thing of each finding.
func things(findings []check.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Rule+" "+f.Thing)
	}
	slices.Sort(out)
	return out
}

// recorder is an Outbox and a Sink that keeps what it gets.
type recorder struct {
	full   error // of Put, if not nil
	mu     sync.Mutex
	texts  []string
	events []event.Event
}

func (r *recorder) Put(messages ...[]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full != nil {
		return r.full
	}
	for _, m := range messages {
		r.texts = append(r.texts, string(m))
	}
	return nil
}

func (r *recorder) Sync() error { return nil }

func (r *recorder) Emit(_ context.Context, e *event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, *e)
	return nil
}

// take returns what came since the last time.
func (r *recorder) take() (texts []string, actions []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		actions = append(actions, e.Event.Action+" "+e.Event.ID)
	}
	texts, r.texts, r.events = r.texts, nil, nil
	return texts, actions
}
