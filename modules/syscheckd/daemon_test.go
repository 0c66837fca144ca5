// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/platform/paths"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// rig is a running daemon over a tree of its own.
type rig struct {
	t      testing.TB
	home   string
	tree   string
	conf   *config.Config
	daemon *Daemon
	stop   func() error
	log    *lockedBuffer

	mu     sync.Mutex
	cond   *sync.Cond
	events []*event.Event
	all    []string        // every event in short, those taken away too
	first  map[string]bool // of a script: the names there were at the start
	may    []string        // of a script: the events that may come
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) reset() { l.mu.Lock(); defer l.mu.Unlock(); l.b.Reset() }

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// newRig makes a tree with the given files and a configuration that watches it
// in real time. The home is short: the paths of sockets are bounded.
func newRig(t testing.TB, names ...string) *rig {
	t.Helper()
	return newRigAt(t, "", names...)
}

// newRigAt makes the home in a folder, or where temporary files are.
func newRigAt(t testing.TB, place string, names ...string) *rig {
	t.Helper()
	home, err := os.MkdirTemp(place, "h")
	must(t, err)
	home, err = filepath.EvalSymlinks(home)
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	r := &rig{t: t, home: home, tree: filepath.ToSlash(filepath.Join(home, "tree")), log: &lockedBuffer{}}
	r.cond = sync.NewCond(&r.mu)
	must(t, os.MkdirAll(filepath.Join(home, "var", "run"), 0o755))
	must(t, os.MkdirAll(r.tree, 0o755))
	for _, n := range names {
		r.write(n, "content of "+n)
	}
	r.conf = configOf(r.tree)
	return r
}

// configOf watches a tree in real time.
func configOf(tree string) *config.Config {
	return &config.Config{
		Syscheck: config.Syscheck{
			Directories: []config.Directory{{Path: tree, Checks: config.CheckAll, Realtime: true, RecursionLevel: -1}},
			Frequency:   time.Hour, ScanOnStart: true,
		},
		Settings: config.Settings{Queue: "auto"},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) path(name string) string { return path.Join(r.tree, name) }

func (r *rig) write(name, content string) {
	r.t.Helper()
	must(r.t, os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	must(r.t, os.WriteFile(r.path(name), []byte(content), 0o644))
}

// start runs the daemon and waits until it is ready and its first scan is done.
func (r *rig) start() {
	r.t.Helper()
	ready := make(chan struct{})
	d, err := newDaemon(modules.Env{
		Config: r.conf, Layout: paths.Layout{Home: r.home}, Host: paths.Host{Root: r.home},
		Log:    slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Events: event.SinkFunc(r.take), Ready: func() { close(ready) },
	})
	must(r.t, err)
	r.daemon = d
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	r.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			r.t.Errorf("Run: %v", err)
		}
		if r.t.Failed() {
			r.t.Logf("log:\n%s", r.log)
		}
	})
	<-ready
	r.settled()
}

// await waits for what nobody signals.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(2 * patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited for %s\nlog:\n%s", what, r.log)
		}
	}
}

// settled waits until the loop is idle: a task between scans is done when
// everything before it is.
func (r *rig) settled() {
	r.t.Helper()
	must(r.t, r.daemon.ask(r.t.Context(), r.daemon.long, func(context.Context) error { return nil }))
}

func (r *rig) take(_ context.Context, e *event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.all = append(r.all, r.line(e))
	r.cond.Broadcast()
	return nil
}

// line is an event in short: its action and path in the tree.
func (r *rig) line(e *event.Event) string {
	s := e.Event.Action + " " + strings.TrimPrefix(strings.TrimPrefix(e.File.Path, r.tree), "/")
	if e.HIDS.From != "" {
		s += " from " + strings.TrimPrefix(e.HIDS.From, r.tree+"/")
	}
	return s
}

// expect waits for an event and takes it, and what came before it, away.
func (r *rig) expect(line string) *event.Event {
	r.t.Helper()
	timer := time.AfterFunc(patience, func() { r.mu.Lock(); defer r.mu.Unlock(); r.cond.Broadcast() })
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		i := slices.IndexFunc(r.events, func(e *event.Event) bool { return r.satisfies(r.line(e), line) })
		if i >= 0 {
			e := r.events[i]
			r.events = slices.Delete(r.events, i, i+1)
			return e
		}
		if !time.Now().Before(deadline) {
			r.t.Fatalf("no event %q; there are %q", line, r.lines())
		}
		r.cond.Wait()
	}
}

// satisfies tells whether an event is what was expected. That a new file was
// seen before, under the name of a temporary one, is a matter of a moment, and so
// is whether a replaced file was seen while it was not there: that a script must
// say of a file.
func (r *rig) satisfies(told, want string) bool {
	if told == want {
		return true
	}
	if name, ok := strings.CutPrefix(want, "updated "); ok {
		return told == "created "+name && slices.Contains(r.may, told) && slices.Contains(r.may, "deleted "+name)
	}
	name, created := strings.CutPrefix(want, "created ")
	from, moved := strings.CutPrefix(told, "moved "+name+" from ")
	return created && moved && r.first != nil && !r.first[from]
}

// history is every event so far, in short.
func (r *rig) history() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// lines are all events in short. The caller holds mu.
func (r *rig) lines() []string {
	var list []string
	for _, e := range r.events {
		list = append(list, r.line(e))
	}
	return list
}

// quiet demands that nothing more is told of what has happened so far: a scan
// of everything finds nothing new.
func (r *rig) quiet() {
	r.t.Helper()
	r.scan()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) != 0 {
		r.t.Errorf("told without a reason: %q", r.lines())
	}
}

// scan waits for a scan of everything.
func (r *rig) scan() {
	r.t.Helper()
	must(r.t, r.daemon.ask(r.t.Context(), r.daemon.long, func(ctx context.Context) error {
		return r.daemon.scanAll(ctx, "scheduled")
	}))
}

func TestRealtime(t *testing.T) {
	r := newRig(t, "a", "b", "d/e", "d/f/g")
	r.start()
	r.write("a", "other")
	if e := r.expect("updated a"); e.HIDS.Trigger != "realtime" {
		t.Errorf("trigger is %q", e.HIDS.Trigger)
	}
	r.write("new", "new")
	r.expect("created new")
	must(t, os.Remove(r.path("b")))
	r.expect("deleted b")
	if runtime.GOOS != "windows" { // which has no modes
		must(t, os.Chmod(r.path("d/e"), 0o600))
		r.expect("attributes_modified d/e")
	}
	r.write("made/in/one/go", "deep")
	r.expect("created made/in/one/go")
	r.write("made/in/one/go", "deep, changed")
	r.expect("updated made/in/one/go")
	r.quietBut("created made", "created made/in", "created made/in/one")
}

// quietBut is quiet but for events that may or may not have come.
func (r *rig) quietBut(allowed ...string) {
	r.t.Helper()
	r.settled()
	r.mu.Lock()
	r.events = slices.DeleteFunc(r.events, func(e *event.Event) bool {
		return slices.ContainsFunc(allowed, func(pattern string) bool { return fits(r.line(e), pattern) })
	})
	r.mu.Unlock()
	r.quiet()
}

// fits tells whether an event is what a pattern says: * stands for any text.
func fits(line, pattern string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(line)
}

func TestRenamedFolderIsFollowed(t *testing.T) {
	r := newRig(t, "old/a", "old/sub/b")
	r.start()
	must(t, os.Rename(r.path("old"), r.path("new")))
	r.expect("moved new/a from old/a")
	r.expect("moved new/sub/b from old/sub/b")
	r.write("new/sub/b", "changed")
	r.expect("updated new/sub/b")
	r.write("new/c", "created")
	r.expect("created new/c")
	r.quietBut("moved new from old", "moved new/sub from old/sub")
}

func TestAtomicReplaceIsOneChange(t *testing.T) {
	r := newRig(t, "conf")
	r.start()
	r.write(".conf.tmp", "the new content")
	must(t, os.Rename(r.path(".conf.tmp"), r.path("conf")))
	r.expect("updated conf")
	r.quietBut("created .conf.tmp", "deleted .conf.tmp")
}

// TestStateSurvivesRestart changes a file while nobody watches.
func TestStateSurvivesRestart(t *testing.T) {
	r := newRig(t, "a", "b")
	r.start()
	must(t, r.stop())
	r.write("a", "changed behind its back")
	must(t, os.Remove(r.path("b")))
	r.start()
	if e := r.expect("updated a"); e.HIDS.Trigger != "startup" {
		t.Errorf("trigger is %q", e.HIDS.Trigger)
	}
	r.expect("deleted b")
	r.quiet()
}

// TestAskedByAgentd makes the file with which agentd asks for a scan.
func TestAskedByAgentd(t *testing.T) {
	r := newRig(t, "a")
	r.conf.Syscheck.Directories[0].Realtime = false
	r.start()
	r.write("a", "changed")
	run := filepath.Join(r.home, "var", "run", ".syscheck_run")
	must(t, os.WriteFile(run, nil, 0o644))
	if e := r.expect("updated a"); e.HIDS.Trigger != "scan-now" {
		t.Errorf("trigger is %q", e.HIDS.Trigger)
	}
	if _, err := os.Stat(run); err == nil {
		t.Error("the request is still there")
	}
}

// bindQueue makes OSSEC's queue.
func (r *rig) bindQueue() *net.UnixConn {
	r.t.Helper()
	path := paths.Layout{Home: r.home}.Queue()
	must(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// agentd plays the reader of OSSEC's queue.
func (r *rig) agentd() <-chan string {
	r.t.Helper()
	conn := r.bindQueue()
	messages := make(chan string, 1000)
	go func() {
		defer close(messages)
		b := make([]byte, 8192)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			messages <- string(b[:n])
		}
	}()
	return messages
}

// next returns the next message.
func (r *rig) next(messages <-chan string) string {
	r.t.Helper()
	select {
	case m := <-messages:
		return strings.TrimSuffix(m, "\x00")
	case <-time.After(patience):
		r.t.Fatal("no message")
		return ""
	}
}

// TestManagerIsTold holds the order and the bytes of what a manager hears.
func TestManagerIsTold(t *testing.T) {
	r := newRig(t, "a")
	must(t, os.Symlink("a", r.path("link")))
	must(t, os.MkdirAll(filepath.Join(r.home, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(r.home, "etc", "ossec-init.conf"), []byte("DIRECTORY=\"/var/ossec\"\nVERSION=\"v3.7.0\"\n"), 0o600))
	must(t, os.Chmod(r.path("a"), 0o644))
	messages := r.agentd()
	r.start()
	if got := r.next(messages); got != "9:rootcheck:Starting syscheck scan." {
		t.Fatalf("first message %q", got)
	}
	var got []string
	for {
		m := r.next(messages)
		got = append(got, m)
		if m == "8:syscheck:syscheck-db-completed" {
			break
		}
	}
	if n := len(got); got[n-2] != "9:rootcheck:Ending syscheck scan." {
		t.Errorf("before the end came %q", got[n-2])
	}
	for _, want := range []string{"8:syscheck:12:33188:", " " + r.path("a"), "8:syscheck:1:41471:", " " + r.path("link")} {
		if !slices.ContainsFunc(got, func(m string) bool { return strings.Contains(m, want) }) {
			t.Errorf("no message with %q in %q", want, got)
		}
	}
	must(t, os.Remove(r.path("a")))
	for {
		if m := r.next(messages); m == "8:syscheck:-1 "+r.path("a") {
			break
		}
	}
}
