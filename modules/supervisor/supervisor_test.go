// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/modules/event/eventlog"
	"hids/platform/control"
)

func TestLifeOfASupervisor(t *testing.T) {
	r := start(t, nil)
	p := r.mustProbe("")
	if p.Comm != "hids-probe" || p.Mode != modeFine || p.PID == os.Getpid() {
		t.Errorf("probe %+v", p)
	}
	st := r.status()
	if len(st.Modules) != 1 || st.PID != os.Getpid() || st.Home != r.layout.Home {
		t.Fatalf("status %+v", st)
	}
	if m := st.Modules[0]; m.State != StateRunning || m.PID != p.PID || m.Restarts != 0 {
		t.Errorf("module %+v", m)
	}
	var messages []string
	r.await("the event", func() bool {
		for rec, err := range eventlog.Read(r.layout.EventLog(), eventlog.Filter{}) {
			if err == nil {
				messages = append(messages, rec.Event.Message)
			}
		}
		return len(messages) > 0
	})
	if !slices.Equal(messages, []string{"probe runs"}) {
		t.Errorf("events %q", messages)
	}
	pid := fmt.Sprintf("var/run/hids-%d.pid", os.Getpid())
	want := []string{"-rw-r----- " + pid, "drwxr-x--- var/run/hids", "Srw-rw---- var/run/hids/probe.sock", "Srw-rw---- queue/alerts/execq", "-rw-r----- logs/hids/events.json"}
	if diff := cmp.Diff(want, fileModes(t, r.layout.Home, pid, "var/run/hids", "var/run/hids/probe.sock", "queue/alerts/execq", "logs/hids/events.json")); diff != "" {
		t.Error(diff)
	}
	r.stop()
	if log := r.log.String(); !strings.Contains(log, " hids-probe: INFO: probe runs mode=fine\n") {
		t.Errorf("log %s", log)
	}
	for _, gone := range []string{pid, "var/run/hids/supervisor.sock", "var/run/hids/probe.sock"} {
		if _, err := os.Lstat(filepath.Join(r.layout.Home, gone)); err == nil {
			t.Errorf("%s was left behind", gone)
		}
	}
}

// Kill -9 takes nothing from the senders: they stay connected, and what they
// send while nobody reads is read by the next process.
func TestExecqOutlivesModule(t *testing.T) {
	r := start(t, nil)
	c, err := net.Dial("unixgram", r.layout.ExecQueue())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := r.mustProbe("")
	if err := killPID(p.PID); err != nil {
		t.Fatal(err)
	}
	r.await("the supervisor to notice", func() bool { return r.status().Modules[0].PID != p.PID })
	if _, err := io.WriteString(c, "while nobody read"); err != nil {
		t.Fatal(err)
	}
	m := r.waitPID(p.PID)
	if m.Restarts != 1 || m.LastExit != "signal: killed" {
		t.Errorf("module %+v", m)
	}
	r.await("the datagram", func() bool {
		return slices.Contains(r.mustProbe("").Got, "while nobody read")
	})
}

func TestPanicIsLogged(t *testing.T) {
	r := start(t, nil)
	p := r.mustProbe("")
	_ = control.NewClient(r.layout.ControlSocket("probe")).Post(ceiling(t), "/panic", nil, nil)
	r.waitPID(p.PID)
	r.stop()
	if !strings.Contains(r.log.String(), `hids: ERROR: module wrote to its standard error module=probe text="panic: told to"`) {
		t.Error(r.log)
	}
}

// A module that can't start makes the whole start fail, with its reason, and
// nothing is left running or lying about.
func TestFailingStart(t *testing.T) {
	r := launch(t, func(o *Options) {
		o.Load = func() (*config.Config, error) { return mode(modeBadNew), nil }
	})
	err := <-r.done
	r.done <- nil
	if err == nil || err.Error() != "start probe: no such queue" {
		t.Errorf("got %v", err)
	}
	left, err := filepath.Glob(r.layout.Join("var", "run", "*.pid"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// What stands in the way of execq is named, and what to do about it; nothing
// else is said.
func TestExecqInTheWay(t *testing.T) {
	r := launch(t, func(o *Options) {
		if err := os.MkdirAll(filepath.Dir(o.Layout.ExecQueue()), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.Layout.ExecQueue(), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	err := <-r.done
	r.done <- nil
	want := "bind request socket: " + r.layout.ExecQueue() + " exists and is no socket: move it away"
	if err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if text, err := os.ReadFile(r.layout.ExecQueue()); err != nil || string(text) != "mine" {
		t.Errorf("it is %q now, %v", text, err)
	}
}

func TestNothingEnabled(t *testing.T) {
	r := launch(t, func(o *Options) {
		o.Load = func() (*config.Config, error) { return mode(modeOff), nil }
	})
	err := <-r.done
	r.done <- nil
	if !errors.Is(err, ErrNothingEnabled) {
		t.Errorf("got %v", err)
	}
}

func TestSecondSupervisorIsRefused(t *testing.T) {
	r := start(t, nil)
	second := launch(t, func(o *Options) { o.Layout = r.layout })
	err := <-second.done
	second.done <- nil
	if err == nil || !strings.Contains(err.Error(), "probe runs already") {
		t.Errorf("got %v", err)
	}
	r.mustProbe("") // and the first is none the worse
}

// loader is a configuration that a test changes.
type loader struct {
	mu  sync.Mutex
	cfg *config.Config
	err error
}

func (l *loader) load() (*config.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg, l.err
}

func (l *loader) set(m string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg, l.err = mode(m), err
}

// TestReloadEventLog reads another size of the event log: it counts at once.
func TestReloadEventLog(t *testing.T) {
	l := &loader{cfg: mode(modeRestart)}
	var dir string
	r := start(t, func(o *Options) {
		o.Load = l.load
		dir = filepath.Dir(o.Layout.EventLog())
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		line := append(bytes.Repeat([]byte(" "), 1<<10), "{}\n"...)
		if err := os.WriteFile(o.Layout.EventLog(), bytes.Repeat(line, 1100), 0o640); err != nil {
			t.Fatal(err)
		}
	})
	rotated := func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "events-*.json"))
		return len(files) > 0
	}
	if r.mustProbe(""); rotated() {
		t.Fatal("rotated before")
	}
	l.set(modeRestart, nil)
	l.cfg.Settings.EventLogSize = 1 << 20
	for end := time.Now().Add(time.Minute); !rotated(); {
		if time.Now().After(end) {
			t.Fatal("the log does not rotate")
		}
		// Each starts the probe anew, which tells of it once it runs.
		if err := r.supervisor().Post(ceiling(t), "/reload", nil, nil); err != nil {
			t.Fatal(err)
		}
		r.mustProbe("")
	}
}

func TestReloadRunning(t *testing.T) {
	l := &loader{cfg: mode(modeFine)}
	r := start(t, func(o *Options) { o.Load = l.load })
	first := r.mustProbe("").PID
	reload := func() error { return r.supervisor().Post(ceiling(t), "/reload", nil, nil) }
	same := func(want string) {
		t.Helper()
		if p := r.mustProbe(""); p.PID != first || p.Mode != want {
			t.Errorf("process %d with %q, want %d with %q", p.PID, p.Mode, first, want)
		}
	}
	l.set("second", nil)
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	same("second")
	l.set("third", errors.New("etc/ossec.conf:3: no"))
	if err := reload(); err == nil || err.Error() != "etc/ossec.conf:3: no" {
		t.Errorf("a configuration with a fault: %v", err)
	}
	same("second")
	l.set(modeRefuse, nil)
	if err := reload(); err == nil || err.Error() != "probe: the probe refuses" {
		t.Errorf("a configuration that the module refuses: %v", err)
	}
	same("second")
	if st := r.status().Reload; st.Error == "" {
		t.Errorf("status does not tell: %+v", st)
	}
	// What was refused is not what the next process gets.
	if err := killPID(first); err != nil {
		t.Fatal(err)
	}
	r.waitPID(first)
	if p := r.mustProbe(""); p.Mode != "second" {
		t.Errorf("after a restart: %q", p.Mode)
	}
}

func TestReloadSwitchesOffAndOn(t *testing.T) {
	l := &loader{cfg: mode(modeFine)}
	reloads := make(chan os.Signal, 1)
	r := start(t, func(o *Options) { o.Load, o.Reload = l.load, reloads })
	first := r.mustProbe("").PID
	l.set(modeOff, nil)
	reloads <- os.Interrupt // any value asks
	r.await("the module to end", func() bool { return r.status().Modules[0].State == StateOff })
	l.set(modeRestart, nil)
	reloads <- os.Interrupt
	second := r.waitPID(first).PID
	// This one can't reload, so it is replaced without a pause.
	l.set(modeFine, nil)
	if err := r.supervisor().Post(ceiling(t), "/reload", nil, nil); err != nil {
		t.Fatal(err)
	}
	if m := r.waitPID(second); m.Restarts != 0 {
		t.Errorf("module %+v", m)
	}
	if p := r.mustProbe(""); p.Mode != modeFine {
		t.Errorf("mode %q", p.Mode)
	}
}

// Nothing of the supervisor's is open in the module but what it was given.
func TestNothingLeaks(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	r := start(t, nil)
	p := r.mustProbe("")
	for _, f := range p.Files {
		if strings.HasPrefix(f, r.layout.Home) {
			t.Errorf("open in the module: %s", f)
		}
	}
	for _, kv := range p.Env {
		if strings.HasPrefix(kv, envFiles) || strings.HasPrefix(kv, "NOTIFY_SOCKET") {
			t.Errorf("in the module's environment: %s", kv)
		}
	}
	if !strings.HasPrefix(p.Status["State"], "") || p.Status["SigIgn"] != strings.Repeat("0", 16) {
		t.Errorf("ignored signals %s", p.Status["SigIgn"])
	}
}

// A configuration is the same on the other side of the link.
func TestConfigurationIsHandedOnWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ossec.conf")
	text := `<ossec_config><syscheck><directories realtime="yes" report_changes="yes" restrict="^/etc/p|.conf$">/etc,/bin</directories>
<ignore type="sregex">.log$</ignore><ignore>/etc/mtab</ignore><scan_time>21:30</scan_time><scan_day>monday</scan_day></syscheck>
<active-response><repeated_offenders>1,5,10</repeated_offenders></active-response></ossec_config>`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want, faults := config.Load(t.Context(), config.LoadOptions{OssecConf: file})
	if want == nil {
		t.Fatal(faults)
	}
	b, err := json.Marshal(message{Config: want})
	if err != nil {
		t.Fatal(err)
	}
	var got message
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Effective(), got.Config.Effective()); diff != "" || len(want.Syscheck.Directories) != 2 {
		t.Error(diff)
	}
	if d := got.Config.Syscheck.Directories[0]; !d.Restrict.MatchString("/etc/passwd") || d.Restrict.MatchString("/etc/group") {
		t.Error("a pattern no longer matches what it did")
	}
}

func TestStatusIsJSON(t *testing.T) {
	b, err := json.Marshal(Status{Modules: []ModuleStatus{{Name: "m", State: StateOff}}})
	if err != nil || bytes.Contains(b, []byte("since")) || bytes.Contains(b, []byte(`"pid":0,"state"`)) {
		t.Errorf("%s, %v", b, err)
	}
}
