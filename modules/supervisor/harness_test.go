// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hids/config"
	"hids/modules"
	"hids/platform/control"
	"hids/platform/logging"
	"hids/platform/paths"
)

// envHome makes the test binary run a supervisor of its own, to be killed.
const envHome = "SUPERVISOR_TEST_HOME"

func TestMain(m *testing.M) {
	switch home := os.Getenv(envHome); {
	case IsChild():
		os.Exit(Child([]modules.Module{probe()}))
	case home != "":
		os.Exit(separate(home))
	}
	os.Exit(m.Run())
}

// separate runs a supervisor with one probe until it is told to stop.
func separate(home string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the test holds the other end
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	// The service manager's descriptors are for the process it names, and the
	// test can't know the number beforehand.
	if os.Getenv("LISTEN_FDS") != "" {
		_ = os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	}
	o := options(home, probe())
	o.Output = logging.NewOutput(io.Discard, os.Stderr)
	o.Log = slog.New(logging.NewHandler(o.Output, logging.Options{Name: o.Name}))
	o.Ready = func() error { _, err := fmt.Println("ready"); return err }
	if err := Run(ctx, o); !errors.Is(err, ErrStopped) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func options(home string, m modules.Module) Options {
	return Options{
		Name: "hids", Modules: []modules.Module{m}, Layout: paths.Layout{Home: home},
		Load:      func() (*config.Config, error) { return mode(modeFine), nil },
		LogFormat: logging.Lines,
		Patience:  time.Millisecond,
	}
}

func mode(m string) *config.Config { return &config.Config{Settings: config.Settings{Queue: m}} }

// buffer collects log lines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// rigged is a supervisor in this process with a probe in another.
type rigged struct {
	t      *testing.T
	layout paths.Layout
	log    *buffer
	cancel context.CancelFunc
	done   chan error
}

// tempHome returns an installation's folder that other users can reach.
func tempHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs a supervisor until the test ends, and waits until it is ready.
func start(t *testing.T, change func(*Options)) *rigged {
	t.Helper()
	r := launch(t, change)
	r.waitReady()
	return r
}

func launch(t *testing.T, change func(*Options)) *rigged {
	t.Helper()
	r := &rigged{t: t, log: &buffer{}, done: make(chan error, 1)}
	o := options(tempHome(t), probe())
	o.Output = logging.NewOutput(r.log, nil)
	o.Log = slog.New(logging.NewHandler(o.Output, logging.Options{Name: o.Name}))
	if change != nil {
		change(&o)
	}
	r.layout = o.Layout
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.done <- Run(ctx, o) }()
	t.Cleanup(r.stop)
	return r
}

func (r *rigged) waitReady() {
	r.t.Helper()
	r.await("the supervisor to be ready", func() bool {
		select {
		case err := <-r.done:
			r.t.Fatalf("ended: %v\n%s", err, r.log)
		default:
		}
		return strings.Contains(r.log.String(), "Started (pid: ")
	})
}

func (r *rigged) stop() {
	r.cancel()
	if err := <-r.done; err != nil && !errors.Is(err, ErrStopped) {
		r.t.Errorf("stop: %v\n%s", err, r.log)
	}
	r.done <- nil
}

// await waits for what has no event to wait for.
func (r *rigged) await(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited for %s; log:\n%s", what, r.log)
		}
	}
}

func (r *rigged) probe(query string) (p probed, err error) {
	err = control.NewClient(r.layout.ControlSocket("probe")).Get(ceiling(r.t), "/self"+query, &p)
	return p, err
}

func (r *rigged) mustProbe(query string) probed {
	r.t.Helper()
	p, err := r.probe(query)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rigged) supervisor() *control.Client {
	return control.NewClient(r.layout.ControlSocket("supervisor"))
}

func (r *rigged) status() Status {
	r.t.Helper()
	var st Status
	if err := r.supervisor().Get(ceiling(r.t), "/status", &st); err != nil {
		r.t.Fatal(err)
	}
	return st
}

// waitPID waits until the probe runs in another process than old.
func (r *rigged) waitPID(old int) ModuleStatus {
	r.t.Helper()
	var m ModuleStatus
	r.await("a new process", func() bool {
		m = r.status().Modules[0]
		return m.State == StateRunning && m.PID != old
	})
	return m
}

func fileModes(t *testing.T, home string, names ...string) []string {
	t.Helper()
	var out []string
	for _, n := range names {
		fi, err := os.Stat(filepath.Join(home, n))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%v %s", fi.Mode(), n))
	}
	return out
}

// ceiling bounds what a test waits for an answer.
func ceiling(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func killPID(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
