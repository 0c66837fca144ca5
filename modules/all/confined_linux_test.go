// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package all

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules"
	"hids/modules/supervisor"
	"hids/platform/control"
	"hids/platform/logging"
	"hids/platform/paths"
)

// TestMain is the process of a module, too: the real one, which also answers
// what it can do.
func TestMain(m *testing.M) {
	if supervisor.IsChild() {
		os.Exit(supervisor.Child([]modules.Module{intruder(Named("syscheckd")[0])}))
	}
	os.Exit(m.Run())
}

// intruder makes a module answer GET /tries?home=DIR from within its process, as
// somebody would who has taken it over.
func intruder(m modules.Module) modules.Module {
	inner := m.New
	m.New = func(env modules.Env) (modules.Daemon, error) {
		d, err := inner(env)
		if err != nil {
			return nil, err
		}
		return intruding{d, d.(modules.Controller)}, nil
	}
	return m
}

type intruding struct {
	modules.Daemon
	module modules.Controller
}

func (i intruding) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tries", func(w http.ResponseWriter, r *http.Request) {
		control.WriteJSON(w, http.StatusOK, tries(r.FormValue("home")))
	})
	mux.Handle("/", i.module.Control())
	return mux
}

// tries returns what became of every attempt to change something: "" where it
// was allowed.
func tries(home string) map[string]string {
	file := func(name string) string { return filepath.Join(home, name) }
	state := paths.Layout{Home: home}.State("syscheckd")
	attempts := map[string]func() error{
		"write watched":      func() error { return appendTo(file("tree/watched")) },
		"write conf":         func() error { return appendTo(file("etc/ossec.conf")) },
		"write log":          func() error { return appendTo(file("logs/ossec.log")) },
		"write event log":    func() error { return appendTo(file("logs/hids/events.json")) },
		"write passwd":       func() error { return appendTo("/etc/passwd") },
		"write sysctl":       func() error { return appendTo("/proc/sys/kernel/panic") },
		"truncate watched":   func() error { return os.Truncate(file("tree/watched"), 0) },
		"remove watched":     func() error { return os.Remove(file("tree/watched")) },
		"rename watched":     func() error { return os.Rename(file("tree/watched"), file("tree/other")) },
		"take watched":       func() error { return os.Rename(file("tree/watched"), filepath.Join(state, "taken")) },
		"put into watched":   func() error { return put(state, file("tree/put")) },
		"make in watched":    func() error { return os.WriteFile(file("tree/new"), nil, 0o600) },
		"make in home":       func() error { return os.WriteFile(file("new"), nil, 0o600) },
		"make in run":        func() error { return os.WriteFile(file("var/run/new"), nil, 0o600) },
		"make in tmp":        func() error { return os.WriteFile(filepath.Join(os.TempDir(), "hids-intruder"), nil, 0o600) },
		"make in other":      func() error { return os.WriteFile(file("queue/hids/new"), nil, 0o600) },
		"make folder":        func() error { return os.Mkdir(file("tree/folder"), 0o700) },
		"make link":          func() error { return os.Symlink("/etc/passwd", file("tree/link")) },
		"hard link out":      func() error { return os.Link(file("tree/watched"), file("tree/hard")) },
		"by another program": func() error { return exec.Command("sh", "-c", ": >> '"+file("tree/watched")+"'").Run() },
		"change mode":        func() error { return os.Chmod(file("tree/watched"), 0o666) },
		"change owner":       func() error { return os.Chown(file("tree/watched"), 12, 34) },

		"state: 1 make":   func() error { return os.WriteFile(filepath.Join(state, "mine"), []byte("x"), 0o600) },
		"state: 2 rename": func() error { return os.Rename(filepath.Join(state, "mine"), filepath.Join(state, "spool", "mine")) },
		"state: 3 remove": func() error { return os.Remove(filepath.Join(state, "spool", "mine")) },
		"read secret":     func() error { _, err := os.ReadFile(file("tree/watched")); return err },
		"null device":     func() error { return appendTo(os.DevNull) },
	}
	answers := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(attempts)) {
		answers[name] = ""
		if err := attempts[name](); err != nil {
			answers[name] = err.Error()
		}
	}
	return answers
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// put moves a file out of the state.
func put(state, to string) error {
	from := filepath.Join(state, "put")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// allowed is what a module has to be able to do.
var allowed = []string{"null device", "read secret", "state: 1 make", "state: 2 rename", "state: 3 remove"}

// TestSyscheckdIsConfined has the real module, started by the supervisor with
// its own privileges, try to change what is not its own. As a user of its own it
// has no right to; where that user is missing it is still root's, and must be
// kept from it all the same.
func TestSyscheckdIsConfined(t *testing.T) {
	testenv.Root(t)
	for name, user := range map[string]string{"own user": idOf(t, "65534"), "missing user": "no-such-user"} {
		t.Run(name, func(t *testing.T) {
			home := installation(t)
			log := supervise(t, home, user)
			var got map[string]string
			if err := control.NewClient(paths.Layout{Home: home}.ControlSocket("syscheckd")).Get(t.Context(), "/tries?home="+home, &got); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			if len(got) < 25 {
				t.Errorf("%d attempts", len(got))
			}
			for attempt, fault := range got {
				may := slices.Contains(allowed, attempt)
				// A file of its own user has a mode that it may change.
				if user == "no-such-user" && attempt == "change mode" {
					continue
				}
				if may != (fault == "") {
					t.Errorf("%s: %q", attempt, fault)
				}
			}
			text, err := os.ReadFile(filepath.Join(home, "tree", "watched"))
			if err != nil || string(text) != "secret" {
				t.Errorf("watched is %q, %v", text, err)
			}
			removesRequest(t, home)
			if strings.Contains(log.String(), "only its user limits") {
				t.Errorf("not confined:\n%s", log)
			}
		})
	}
}

// removesRequest asks for a scan as agentd does: the one file outside of its
// state that it changes.
func removesRequest(t *testing.T, home string) {
	t.Helper()
	request := paths.Layout{Home: home}.SyscheckRun()
	if err := os.WriteFile(request, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(request); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a request for a scan is not taken away")
		}
	}
}

func idOf(t *testing.T, uid string) string {
	t.Helper()
	u, err := user.LookupId(uid)
	if err != nil {
		testenv.Skip(t, "needs a user with id "+uid)
	}
	return u.Username
}

// installation is one that other users can reach, with a file that they can't
// read.
func installation(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"tree/watched": "secret", "etc/ossec.conf": "<ossec_config/>", "logs/ossec.log": ""} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Where everybody may write nothing but the confinement is in the way.
	if err := os.Chmod(filepath.Join(home, "tree"), 0o777); err != nil {
		t.Fatal(err)
	}
	return home
}

// output collects log lines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }

func (o *output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// supervise runs the module until the test ends, and waits until it is ready.
func supervise(t *testing.T, home, user string) *output {
	t.Helper()
	m := Named("syscheckd")[0]
	m.Privileges.User, m.Privileges.Group = user, groupOf(user)
	cfg := config.Default()
	cfg.Syscheck.Directories = []config.Directory{{
		Path: filepath.Join(home, "tree"), Checks: config.CheckAll, Realtime: true, ReportChanges: true, RecursionLevel: -1,
	}}
	cfg.Syscheck.Frequency, cfg.Settings.Queue = time.Hour, "yes"
	log := &output{}
	o := supervisor.Options{
		Name: "hids", Modules: []modules.Module{m}, Layout: paths.Layout{Home: home},
		Load:      func() (*config.Config, error) { return cfg, nil },
		LogFormat: logging.Lines, Output: logging.NewOutput(log, nil),
	}
	o.Log = slog.New(logging.NewHandler(o.Output, logging.Options{Name: o.Name}))
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan error, 1), make(chan struct{})
	o.Ready = func() error { close(ready); return nil }
	go func() { done <- supervisor.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, supervisor.ErrStopped) {
			t.Errorf("%v\n%s", err, log)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatal(fmt.Errorf("ended: %w\n%s", err, log))
	}
	return log
}

func groupOf(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return "no-such-group"
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "no-such-group"
	}
	return g.Name
}
