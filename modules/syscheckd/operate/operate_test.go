// SPDX-License-Identifier: Apache-2.0

package operate_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hids/config"
	"hids/modules/syscheckd/operate"
	"hids/modules/syscheckd/session"
	"hids/platform/control"
	"hids/platform/paths"
)

// target is a session of a small tree, with a baseline.
func target(t *testing.T) (s *session.Session, tree string) {
	t.Helper()
	home := t.TempDir()
	tree = filepath.Join(home, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, tree, "text", "a\n")
	write(t, tree, "bad\xff", "b\n")
	s, err := session.Open(session.Options{
		Layout: paths.Layout{Home: filepath.Join(home, "home")}, Host: "box", Access: session.Write,
		Config: &config.Config{Syscheck: config.Syscheck{Directories: []config.Directory{
			{Path: tree, Checks: config.CheckAll, RecursionLevel: -1, ReportChanges: true},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, tree
}

func write(t *testing.T, tree, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// client serves t on a control socket.
func client(t *testing.T, s operate.Target) *control.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(dir, "s")
	l, err := control.Listen(sock, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := control.Serve(ctx, l, operate.Handler(func(context.Context) operate.Target { return s }), slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		os.RemoveAll(dir)
	})
	return control.NewClient(sock)
}

// got is an answer put together.
type got struct {
	out string
	end *operate.End
}

func (g *got) take(f operate.Frame) error {
	g.out += string(f.Out)
	if f.End != nil {
		g.end = f.End
	}
	return nil
}

// TestRemoteIsLocal asks the same questions here and over a control socket.
func TestRemoteIsLocal(t *testing.T) {
	s, tree := target(t)
	c := client(t, s)
	var first got
	if err := operate.Do(t.Context(), s, operate.Request{Verb: operate.Scan}, nil, first.take); err != nil {
		t.Fatal(err)
	}
	write(t, tree, "text", "b\n")
	write(t, tree, "new\xff\n", "")
	for _, r := range []operate.Request{
		{Verb: operate.Scan},
		{Verb: operate.Scan, Paths: []string{tree}, Format: "text"},
		{Verb: operate.List},
		{Verb: operate.List, Paths: []string{filepath.Join(tree, "new\xff\n")}},
		{Verb: operate.Show, Paths: []string{filepath.Join(tree, "bad\xff")}},
		{Verb: operate.Show, Paths: []string{filepath.Join(tree, "text")}, Format: "json"},
		{Verb: operate.Export, Format: "sha256sum"},
	} {
		var here, there got
		if err := operate.Do(t.Context(), s, r, nil, here.take); err != nil {
			t.Errorf("%v here: %v", r, err)
		}
		if err := operate.Ask(t.Context(), c, r, there.take); err != nil {
			t.Errorf("%v there: %v", r, err)
		}
		if here.out == "" || here.out != there.out || here.end.Totals != there.end.Totals {
			t.Errorf("%v: here %q %v, there %q %v", r, here.out, here.end.Totals, there.out, there.end.Totals)
		}
	}
	var accepted, after got
	if err := operate.Ask(t.Context(), c, operate.Request{Verb: operate.Accept}, accepted.take); err != nil || accepted.out != "accepted 2 changes\n" {
		t.Errorf("accept: %q, %v", accepted.out, err)
	}
	if err := operate.Ask(t.Context(), c, operate.Request{Verb: operate.List}, after.take); err != nil || after.out != "" {
		t.Errorf("after accept: %q, %v", after.out, err)
	}
}

// TestErrorsKeepTheirKind: what a command decides by must get through.
func TestErrorsKeepTheirKind(t *testing.T) {
	s, tree := target(t)
	c := client(t, s)
	err := operate.Ask(t.Context(), c, operate.Request{Verb: operate.Show, Paths: []string{filepath.Join(tree, "nothing")}}, (&got{}).take)
	if !errors.Is(err, session.ErrUnknown) || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("unknown path: %v", err)
	}
	err = c.Get(t.Context(), "/accept", nil)
	if refused, ok := errors.AsType[*control.StatusError](err); !ok || refused.Code != 405 {
		t.Errorf("GET changes something: %v", err)
	}
	err = c.Get(t.Context(), "/list?path=relative", nil)
	if refused, ok := errors.AsType[*control.StatusError](err); !ok || refused.Code != 400 {
		t.Errorf("relative path: %v", err)
	}
}
