// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules"
	"hids/modules/event"
	"hids/modules/event/eventlog"
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

// The configuration of a probe is Settings.Queue, one of these.
const (
	modeFine    = "fine"
	modeBadNew  = "bad new"
	modeRestart = "restart" // can't reload
	modeRefuse  = "refuse"  // as a reload: refused
	modeOff     = "off"
)

// probe is a module that does what its control socket says.
func probe() modules.Module {
	return modules.Module{
		Name: "probe", Alias: "ossec-probe", Files: []string{fileExecq},
		Privileges: modules.Privileges{Root: true},
		Enabled:    func(c *config.Config) bool { return c.Settings.Queue != modeOff },
		New:        newProbe,
	}
}

type probeDaemon struct {
	env  modules.Env
	conn net.PacketConn
	mu   sync.Mutex
	mode string
	got  []string // datagrams
}

// reloadable adds Reload: a Daemon that has it can't lack it.
type reloadable struct{ *probeDaemon }

func newProbe(env modules.Env) (modules.Daemon, error) {
	mode := env.Config.Settings.Queue
	if mode == modeBadNew {
		return nil, errors.New("no such queue")
	}
	c, err := net.FilePacketConn(env.Files[fileExecq])
	if err != nil {
		return nil, err
	}
	d := &probeDaemon{env: env, conn: c, mode: mode}
	if mode == modeRestart {
		return d, nil
	}
	return reloadable{d}, nil
}

func (d *probeDaemon) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = d.conn.Close() })
	defer stop()
	d.env.Log.Info("probe runs", "mode", d.mode)
	if err := d.env.Events.Emit(ctx, &event.Event{Message: "probe runs", Event: event.Meta{Module: "probe"}}); err != nil {
		return err
	}
	d.env.Ready()
	buf := make([]byte, 1024)
	for {
		n, _, err := d.conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.got = append(d.got, string(buf[:n]))
		d.mu.Unlock()
	}
}

func (d reloadable) Reload(_ context.Context, cfg *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cfg.Settings.Queue == modeRefuse {
		return errors.New("the probe refuses")
	}
	d.mode = cfg.Settings.Queue
	return nil
}

// probed is what a probe tells of itself.
type probed struct {
	PID, UID, GID int
	Groups        []int
	Comm, Mode    string
	Status        map[string]string // of /proc/self/status
	Got           []string
	Read, Write   string // errors of trying the files asked about
	Files         []string
	Env           []string
}

func (d *probeDaemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /self", func(w http.ResponseWriter, r *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.self(r.FormValue("read"), r.FormValue("write")))
	})
	mux.HandleFunc("POST /panic", func(http.ResponseWriter, *http.Request) {
		go panic("told to")
	})
	return mux
}

func (d *probeDaemon) self(read, write string) probed {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := probed{
		PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid(), Mode: d.mode,
		Got: slices.Clone(d.got), Env: os.Environ(), Status: map[string]string{},
	}
	p.Groups, _ = os.Getgroups()
	comm, _ := os.ReadFile("/proc/self/comm")
	p.Comm = strings.TrimSpace(string(comm))
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		p.Status[k] = strings.TrimSpace(v)
	}
	if _, err := os.ReadFile(read); err != nil {
		p.Read = err.Error()
	}
	if f, err := os.OpenFile(write, os.O_WRONLY, 0); err != nil {
		p.Write = err.Error()
	} else {
		_ = f.Close()
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		p.Files = append(p.Files, target)
	}
	return p
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

func nobody(t *testing.T) modules.Privileges {
	t.Helper()
	testenv.Root(t)
	u, err := user.LookupId("65534")
	if err != nil {
		testenv.Skip(t, "needs a user with id 65534")
	}
	g, err := user.LookupGroupId("65534")
	if err != nil {
		testenv.Skip(t, "needs a group with id 65534")
	}
	return modules.Privileges{User: u.Username, Group: g.Name, Caps: []string{"CAP_DAC_READ_SEARCH"}}
}

const readSearch = "0000000000000004" // CAP_DAC_READ_SEARCH

// secretFile is one that only root may read.
func secretFile(t *testing.T) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret
}

// A module with its own user reads what only root may, and can change nothing.
func TestPrivileges(t *testing.T) {
	priv := nobody(t)
	r := start(t, func(o *Options) { o.Modules[0].Privileges = priv })
	secret := secretFile(t)
	p := r.mustProbe("?read=" + secret + "&write=" + secret)
	if p.UID != 65534 || p.GID != 65534 || !slices.Equal(p.Groups, []int{65534}) {
		t.Errorf("uid %d gid %d groups %v", p.UID, p.GID, p.Groups)
	}
	if p.Read != "" || !strings.Contains(p.Write, "permission denied") {
		t.Errorf("read: %q, write: %q", p.Read, p.Write)
	}
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if p.Status[set] != readSearch {
			t.Errorf("%s is %s, want %s", set, p.Status[set], readSearch)
		}
	}
	if p.Status["NoNewPrivs"] != "1" || p.Status["Umask"] != "0027" {
		t.Errorf("no_new_privs %s, umask %s", p.Status["NoNewPrivs"], p.Status["Umask"])
	}
	m := r.status().Modules[0]
	if m.User != priv.User || m.Group != priv.Group || !slices.Equal(m.Capabilities, priv.Caps) {
		t.Errorf("status %+v", m)
	}
	r.waitRestart(p.PID) // and the second process is no different
	if again := r.mustProbe(""); again.UID != 65534 || again.Status["CapBnd"] != readSearch {
		t.Errorf("after a restart: uid %d, bounding set %s", again.UID, again.Status["CapBnd"])
	}
}

func (r *rigged) waitRestart(pid int) {
	r.t.Helper()
	if err := killPID(pid); err != nil {
		r.t.Fatal(err)
	}
	r.waitPID(pid)
}

// Where the module's user does not exist, as in a clone, it keeps the caller's
// with the same few capabilities, and that is said once.
func TestPrivilegesWithoutUser(t *testing.T) {
	testenv.Root(t)
	r := start(t, func(o *Options) {
		o.Modules[0].Privileges = modules.Privileges{User: "no-such-user", Group: "no-such-group", Caps: []string{"CAP_DAC_READ_SEARCH"}}
	})
	p := r.mustProbe("")
	if p.UID != 0 || p.Status["CapEff"] != readSearch || p.Status["CapBnd"] != readSearch {
		t.Errorf("uid %d, effective %s, bounding %s", p.UID, p.Status["CapEff"], p.Status["CapBnd"])
	}
	if n := strings.Count(r.log.String(), "does not exist"); n != 2 {
		t.Errorf("said %d times: %s", n, r.log)
	}
}

// Under OSSEC's names a missing group is OSSEC's error 1203.
func TestMissingGroupOfOSSEC(t *testing.T) {
	testenv.Root(t)
	r := launch(t, func(o *Options) {
		o.OSSEC = true
		o.Modules[0].Privileges.Group = "no-such-group"
	})
	err := <-r.done
	r.done <- nil
	if err == nil || !strings.Contains(r.log.String(), "(1203): ERROR: Invalid user '' or group 'no-such-group' given.\n") {
		t.Errorf("got %v, log %s", err, r.log)
	}
}

// A module that must be root keeps everything but the groups.
func TestPrivilegesOfRoot(t *testing.T) {
	group := nobody(t).Group
	r := start(t, func(o *Options) {
		o.OSSEC, o.Name = true, "ossec-probe"
		o.Modules[0].Privileges = modules.Privileges{Root: true, Group: group}
	})
	p := r.mustProbe("")
	if p.UID != 0 || p.GID != 65534 || !slices.Equal(p.Groups, []int{65534}) || p.Comm != "ossec-probe" {
		t.Errorf("probe %+v", p)
	}
	self, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(self, []byte("CapEff:\t"+p.Status["CapEff"])) || p.Status["NoNewPrivs"] != "0" {
		t.Errorf("effective %s, no_new_privs %s", p.Status["CapEff"], p.Status["NoNewPrivs"])
	}
}

// apart is a supervisor in a process of its own.
type apart struct {
	*rigged
	cmd *exec.Cmd
	in  io.Closer
}

func startApart(t *testing.T, home string, files []*os.File, env ...string) *apart {
	t.Helper()
	a := &apart{rigged: &rigged{t: t, log: &buffer{}, layout: paths.Layout{Home: home}}}
	a.cmd = exec.Command(os.Args[0])
	a.cmd.Env = append(append(os.Environ(), envHome+"="+home), env...)
	a.cmd.ExtraFiles = files
	a.cmd.Stderr = a.log
	in, err := a.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.in = in
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := io.ReadAll(io.LimitReader(out, int64(len("ready\n"))))
	if err != nil || string(line) != "ready\n" {
		_ = a.cmd.Wait()
		t.Fatalf("not ready: %q, %v; log:\n%s", line, err, a.log)
	}
	return a
}

func (a *apart) end() {
	a.t.Helper()
	_ = a.in.Close()
	if err := a.cmd.Wait(); err != nil {
		a.t.Errorf("%v; log:\n%s", err, a.log)
	}
}

// When the supervisor is killed its modules end by themselves.
func TestModulesEndWithSupervisor(t *testing.T) {
	a := startApart(t, tempHome(t), nil)
	p := a.mustProbe("")
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait()
	a.await("the module to end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
	// And the next supervisor is not kept from starting.
	startApart(t, a.layout.Home, nil).end()
}

// The service manager keeps execq while the supervisor is replaced: a sender
// that connected before stays connected, and nothing it sends is lost.
func TestExecqOutlivesSupervisor(t *testing.T) {
	home, manager := tempHome(t), newManager(t)
	first := startApart(t, home, nil, "NOTIFY_SOCKET="+manager.path)
	kept := manager.next(t, "FDSTORE=1")
	manager.next(t, "READY=1")
	c, err := net.Dial("unixgram", first.layout.ExecQueue())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first.end()
	manager.next(t, "STOPPING=1")
	if _, err := io.WriteString(c, "between the two"); err != nil {
		t.Fatalf("nobody keeps the socket: %v", err)
	}
	second := startApart(t, home, []*os.File{kept}, "NOTIFY_SOCKET="+manager.path, "LISTEN_FDS=1", "LISTEN_FDNAMES=execq")
	second.await("the datagram", func() bool {
		return slices.Contains(second.mustProbe("").Got, "between the two")
	})
	if _, err := io.WriteString(c, "to the second"); err != nil {
		t.Fatal(err)
	}
	second.await("the next datagram", func() bool {
		return slices.Contains(second.mustProbe("").Got, "to the second")
	})
	second.end()
}

// The service manager is told of every step, and its watchdog is fed.
func TestServiceManagerIsTold(t *testing.T) {
	manager := newManager(t)
	a := startApart(t, tempHome(t), nil, "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=20000")
	manager.next(t, "READY=1")
	manager.next(t, "WATCHDOG=1")
	if err := a.supervisor().Post(ceiling(t), "/reload", nil, nil); err != nil {
		t.Fatal(err)
	}
	manager.next(t, "RELOADING=1")
	manager.next(t, "READY=1")
	manager.next(t, "WATCHDOG=1")
	a.end()
	manager.next(t, "STOPPING=1")
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
