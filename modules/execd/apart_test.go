// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/platform/control"
	"hids/platform/execq"
	"hids/platform/logging"
	"hids/platform/paths"
)

// serveApart is an execd as the supervisor starts it, with all that is real,
// until SIGTERM: TestMain calls it in a process of its own.
func serveApart() int {
	layout := paths.Layout{Home: os.Getenv("HIDS_HOME")}
	log := slog.New(logging.NewHandler(os.Stderr, logging.Options{Name: "ossec-execd"}))
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	d, err := New(modules.Env{
		Config: &config.Config{}, Layout: layout, Log: log,
		Events: event.SinkFunc(func(context.Context, *event.Event) error { return nil }),
		Files:  map[string]*os.File{"execq": os.NewFile(3, "execq")},
		Ready:  func() { fmt.Println("ready") },
	})
	if err != nil {
		return fail(err)
	}
	operators, err := control.Listen(layout.ControlSocket("execd"), 0o600)
	if err != nil {
		return fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var answering sync.WaitGroup
	answering.Go(func() { _ = control.Serve(ctx, operators, d.Control(), log) })
	defer answering.Wait()
	if err := d.Run(ctx); err != nil {
		return fail(err)
	}
	return 0
}

// apart is an execd in a process of its own.
type apart struct {
	t      *testing.T
	layout paths.Layout
	cmd    *exec.Cmd
	sent   int64
}

// startApart starts one in a new installation. Its log is the file "log" there.
func startApart(t *testing.T, arConf string, scripts map[string]string) *apart {
	t.Helper()
	f := &fixture{t: t, layout: paths.Layout{Home: t.TempDir()}}
	f.install(arConf)
	a := &apart{t: t, layout: f.layout}
	if err := os.MkdirAll(filepath.Dir(a.layout.ControlSocket("execd")), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range scripts {
		a.write(filepath.Join(a.layout.ResponseBin(), name), text)
	}
	t.Cleanup(a.end)
	a.start()
	return a
}

func (a *apart) start() {
	t := a.t
	t.Helper()
	sock, err := execq.Listen(a.layout.ExecQueue(), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	log, err := os.OpenFile(a.layout.Join("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a.cmd = exec.Command(self)
	a.cmd.Env = append(os.Environ(), "EXECD_TEST_CHILD=serve", "HIDS_HOME="+a.layout.Home)
	a.cmd.ExtraFiles, a.cmd.Stderr = []*os.File{sock}, log
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("execd does not come up: %v\n%s", err, a.log())
	}
}

// kill ends it as kill -9 does.
func (a *apart) kill() {
	a.t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		a.t.Fatal(err)
	}
	_ = a.cmd.Wait()
}

func (a *apart) write(path, text string) {
	a.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		a.t.Fatal(err)
	}
}

func (a *apart) log() string {
	text, _ := os.ReadFile(a.layout.Join("log"))
	return string(text)
}

// end stops it as SIGTERM does; only a daemon that did not crash ends so.
func (a *apart) end() {
	if a.cmd == nil || a.cmd.ProcessState != nil {
		return
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	if err := a.cmd.Wait(); err != nil {
		log := a.log()
		a.t.Errorf("execd ended with %v, its log with\n%s", err, log[max(0, len(log)-4096):])
	}
}

func (a *apart) dial() net.Conn {
	a.t.Helper()
	c, err := net.Dial("unixgram", a.layout.ExecQueue())
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func (a *apart) stats() Stats {
	a.t.Helper()
	s, err := askStats(a.t, a.layout)
	if err != nil {
		log := a.log()
		a.t.Fatalf("execd does not answer: %v, its log ends with\n%s", err, log[max(0, len(log)-4096):])
	}
	return s
}

// askStats asks a running execd as an operator does.
func askStats(t testing.TB, layout paths.Layout) (Stats, error) {
	ctx, cancel := context.WithTimeout(t.Context(), ceiling)
	defer cancel()
	var s Stats
	err := control.NewClient(layout.ControlSocket("execd")).Get(ctx, "/status", &s)
	return s, err
}

// settled waits until all that was sent is decided and has run, and all blocks
// are undone.
func (a *apart) settled() Stats {
	a.t.Helper()
	var s Stats
	for end := time.Now().Add(2 * ceiling); ; time.Sleep(20 * time.Millisecond) {
		s = a.stats()
		if s.Received == a.sent && s.Running == 0 && s.Waiting == 0 && s.Blocks == 0 {
			return s
		}
		if time.Now().After(end) {
			a.t.Fatalf("of %d requests it did not come to an end: %+v", a.sent, s)
		}
	}
}
