// SPDX-License-Identifier: Apache-2.0

//go:build linux

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/all"
	"hids/modules/event/courier"
	"hids/platform/command"
	"hids/platform/control"
	"hids/platform/features"
	"hids/platform/paths"
	"hids/platform/privdrop"
)

// bed is a healthy installation on a host of fixtures, with a daemon that
// answers on real sockets what the test wants.
type bed struct {
	t       *testing.T
	patient Patient
	daemon  map[string]any            // of the supervisor
	modules map[string]map[string]any // of the modules
	unit    string                    // what systemctl show says
	off     bool                      // no daemon
}

// The processes of the fixtures, which are those of the modules, in order.
const supervisorPID = 100

func newBed(t *testing.T) *bed {
	t.Helper()
	// Not t.TempDir: the path of a socket is short.
	dir, err := os.MkdirTemp("", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	host := paths.Host{Root: filepath.Join(dir, "r")}
	b := &bed{t: t, modules: map[string]map[string]any{}}
	cfg := config.Default()
	cfg.Files = []string{"etc/ossec.conf"}
	cfg.Settings.Queue = "yes"
	cfg.Syscheck.Directories = []config.Directory{{Path: "/etc", Realtime: true}}
	b.patient = Patient{
		Layout: paths.Layout{Home: filepath.Join(dir, "h")}, Host: host, Config: cfg,
		Modules: all.List(), Program: "/usr/bin/hids", Now: time.Now(), Run: b.systemctl,
		UserID:   func(string) (int, error) { return 0, nil },
		GroupID:  func(string) (int, error) { return 0, nil },
		Clock:    func() (bool, error) { return true, nil },
		Features: func(context.Context) []features.Feature { return []features.Feature{{Name: features.Nftables}} },
	}
	b.write(host.Path("/usr/bin/hids"), "", 0o755)
	b.folder(host.Path("/run/systemd/system"), 0o755)
	b.unit = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n"
	b.installation()
	b.processes()
	return b
}

func (b *bed) installation() {
	l := b.patient.Layout
	for _, dir := range []string{"etc/shared", "logs/hids", "queue/alerts", "queue/ossec", "queue/hids", "var/run/hids", "active-response/bin"} {
		b.folder(l.Join(dir), 0o750)
	}
	b.folder(l.Home, 0o750)
	for _, file := range []string{l.OssecConf(), l.HidsConf(), l.ARConf(), l.DaemonLog(), l.EventLog(), l.ExecQueue(), l.Queue()} {
		b.write(file, "", 0o640)
	}
	b.write(l.Join("active-response", "bin", "x.sh"), "", 0o750)
	for _, m := range b.patient.Modules {
		b.folder(l.State(m.Name), 0o750)
		b.write(filepath.Join(l.State(m.Name), "state"), "", 0o600)
		b.modules[m.Name] = map[string]any{}
	}
}

// processes are the fixtures of /proc.
func (b *bed) processes() {
	l := b.patient.Layout
	b.proc("net/unix", fmt.Sprintf("Num RefCount Protocol Flags Type St Inode Path\n"+
		"0: 2 0 0 0002 01 7001 %s\n0: 2 0 0 0002 01 7002 /queue/ossec/queue\n", l.ExecQueue()))
	b.proc("sys/fs/inotify/max_user_watches", "100000\n")
	b.proc("sys/fs/inotify/max_queued_events", "16384\n")
	b.process(900, "ossec-agentd", "/var/ossec/bin/ossec-agentd", 7002)
	b.process(supervisorPID, "hids", "/usr/bin/hids", 7001)
	b.process(1, "systemd", "/usr/lib/systemd/systemd", 7001) // in its store
	var list []map[string]any
	for i, m := range b.patient.Modules {
		pid := supervisorPID + 1 + i
		b.process(pid, "hids-"+m.Name, "/usr/bin/hids", 0)
		caps := uint64(0)
		for _, c := range m.Privileges.Caps {
			caps |= 1 << capNumber(b.t, c)
		}
		b.status(pid, "hids-"+m.Name, caps, 1)
		list = append(list, map[string]any{"name": m.Name, "state": "running", "pid": pid})
	}
	b.daemon = map[string]any{"name": "hids", "pid": supervisorPID, "started": time.Now(), "modules": list}
}

func capNumber(t *testing.T, name string) int {
	n, ok := map[string]int{
		"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH, "CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE,
		"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYSLOG": unix.CAP_SYSLOG, "CAP_BPF": unix.CAP_BPF,
		"CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_PERFMON": unix.CAP_PERFMON,
		"CAP_KILL": unix.CAP_KILL, "CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
	}[name]
	if !ok {
		t.Fatalf("the test does not know %s", name)
	}
	return n
}

func (b *bed) folder(path string, mode os.FileMode) {
	b.t.Helper()
	if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) write(path, text string, mode os.FileMode) {
	b.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) link(to, path string) {
	b.t.Helper()
	os.Remove(path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) proc(name, text string) { b.write(b.patient.Host.ProcPath(name), text, 0o644) }

// process makes a process that runs exe and has a socket, unless it is 0.
func (b *bed) process(pid int, name, exe string, socket int) {
	b.status(pid, name, 0, 0)
	dir := fmt.Sprint(pid)
	b.link(exe, b.patient.Host.ProcPath(dir, "exe"))
	b.proc(dir+"/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"+
		"Max open files            1024                 20000                files     \n")
	b.folder(b.patient.Host.ProcPath(dir, "fd"), 0o755)
	if socket != 0 {
		b.link(fmt.Sprintf("socket:[%d]", socket), b.patient.Host.ProcPath(dir, "fd", "3"))
	}
}

func (b *bed) status(pid int, name string, caps uint64, noNewPrivs int) {
	b.proc(fmt.Sprintf("%d/status", pid), fmt.Sprintf("Name:\t%s\nTgid:\t%d\nPid:\t%d\nTracerPid:\t0\nUid:\t%d\t%d\t%d\t%d\nCapEff:\t%016x\nNoNewPrivs:\t%d\n",
		name, pid, pid, 0, 0, 0, 0, caps, noNewPrivs))
}

func (b *bed) systemctl(context.Context, []string, []byte) (command.Result, error) {
	return command.Result{Stdout: []byte(b.unit)}, nil
}

// module returns what the supervisor says of a module.
func (b *bed) module(i int) map[string]any {
	return b.daemon["modules"].([]map[string]any)[i]
}

// serve answers GET /status on a control socket.
func (b *bed) serve(name string, answer any) {
	l, err := control.Listen(b.patient.Layout.ControlSocket(name), 0o660)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { control.WriteJSON(w, 200, answer) })
	go func() { done <- control.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	b.t.Cleanup(func() { cancel(); <-done })
}

// examine runs the checks and returns what is not well.
func (b *bed) examine() []Finding {
	b.t.Helper()
	if !b.off {
		b.serve("supervisor", b.daemon)
		for name, answer := range b.modules {
			b.serve(name, answer)
		}
	}
	all := Examine(b.t.Context(), b.patient)
	for _, f := range all {
		if strings.ContainsRune(f.Message+f.Fix, '\n') {
			b.t.Errorf("%s: more than one line: %q, %q", f.Check, f.Message, f.Fix)
		}
	}
	return slices.DeleteFunc(all, func(f Finding) bool { return f.Level == OK })
}

// Where all is well, nothing is found.
func TestHealthy(t *testing.T) {
	for _, f := range newBed(t).examine() {
		t.Errorf("%+v", f)
	}
}

// A module that is being started, as after a reload, is no fault.
func TestStarting(t *testing.T) {
	b := newBed(t)
	b.module(2)["state"] = "starting"
	for _, f := range b.examine() {
		t.Errorf("%+v", f)
	}
}

// planted are faults, and what has to be said about each.
func planted() []fault {
	return slices.Concat(faultsOfConfiguration(), faultsOfProcesses(), faultsOfFiles(), faultsOfSockets(), faultsOfHost())
}

type fault struct {
	name  string
	plant func(b *bed)
	check string
	level Level
	says  string // part of the message
	fix   string // part of what to type
	root  bool   // only root can plant it
}

func TestPlanted(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range planted() {
		seen[f.check] = true
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			if f.root {
				testenv.Root(t)
			}
			b := newBed(t)
			f.plant(b)
			f.find(t, b.examine())
		})
	}
	for _, name := range Checks() {
		if !seen[name] {
			t.Errorf("no fault is planted for %s", name)
		}
	}
}

// find demands that the fault, and nothing else, was found.
func (f fault) find(t *testing.T, found []Finding) {
	t.Helper()
	hit := false
	for _, got := range found {
		switch {
		case got.Check == f.check && got.Level == f.level && strings.Contains(got.Message, f.says) && strings.Contains(got.Fix, f.fix):
			hit = true
		default:
			t.Errorf("found besides: %+v", got)
		}
	}
	if !hit {
		t.Errorf("not found: %s, %s, %q, %q", f.check, f.level, f.says, f.fix)
	}
}

func faultsOfConfiguration() []fault {
	return []fault{
		{"bad configuration", func(b *bed) {
			b.patient.Faults.Fatalf(config.Pos{File: "etc/ossec.conf", Line: 3}, "", "no such element")
		}, "configuration", Problem, "etc/ossec.conf:3: no such element", "hids config check", false},
		{"odd configuration", func(b *bed) {
			b.patient.Faults.Warnf(config.Pos{File: "x"}, "leave it out", "does nothing")
		}, "configuration", Warning, "does nothing", "leave it out", false},
		{"program that all can write", func(b *bed) {
			b.chmod(b.patient.Host.Path("/usr/bin/hids"), 0o757)
		}, "program", Problem, "written by others", "chmod 0755 /usr/bin/hids", false},
		{"no user", func(b *bed) { b.patient.UserID = unknownBut("hids-syscheck") },
			"users", Warning, `rootcheck runs as root with few capabilities: no user "hids-rootcheck"`, "useradd -r -M -g ossec", true},
		{"no group", func(b *bed) { b.patient.GroupID = unknownBut("") },
			"users", Warning, `no group "ossec"`, "groupadd -r ossec", true},
		{"half an adoption", func(b *bed) {
			b.write(b.patient.Layout.Join("bin/ossec-control"), "", 0o750)
			b.write(b.patient.Layout.Join("bin/ossec-syscheckd"), "", 0o750)
			b.write(b.patient.Layout.Join("bin/ossec-execd.ossec"), "", 0o750)
			b.link("/usr/bin/hids", b.patient.Layout.Join("bin/ossec-execd"))
		}, "adoption", Problem, "only one of", "hids adopt --apply", false},
		{"nothing kept", func(b *bed) {
			b.write(b.patient.Layout.Join("bin/ossec-control"), "", 0o750)
			b.link("/usr/bin/hids", b.patient.Layout.Join("bin/ossec-execd"))
			b.link("/usr/bin/hids", b.patient.Layout.Join("bin/ossec-syscheckd"))
			b.write(b.patient.Layout.Join("bin/ossec-syscheckd.ossec"), "", 0o750)
		}, "adoption", Warning, "ossec-execd.ossec is not there", "install OSSEC again", false},
		{"OSSEC beside", func(b *bed) {
			b.process(901, "ossec-syscheckd", "/var/ossec/bin/ossec-syscheckd", 0)
			b.write(b.patient.Layout.Join("var/run/ossec-syscheckd-901.pid"), "901\n", 0o640)
		}, "beside", Problem, "ossec-syscheckd, process 901", "hids adopt", false},
		{"Wazuh beside", func(b *bed) {
			b.process(902, "wazuh-execd", "/var/ossec/bin/wazuh-execd", 0)
		}, "beside", Warning, "wazuh-execd, process 902, of another installation", "stop", false},
	}
}

func faultsOfProcesses() []fault {
	return []fault{
		{"no daemon", func(b *bed) { b.off = true }, "service", Problem, "no daemon runs", "hids run", false},
		{"refused reload", func(b *bed) { b.daemon["reload"] = map[string]any{"error": "no good"} },
			"service", Problem, "refused: no good", "hids config check", false},
		{"disabled unit", func(b *bed) { b.unit = strings.Replace(b.unit, "=enabled", "=disabled", 1) },
			"service", Warning, "will not after a boot", "systemctl enable hids", false},
		{"failed unit", func(b *bed) { b.unit = strings.Replace(b.unit, "=active", "=failed", 1) },
			"service", Problem, "has failed", "journalctl -u hids", false},
		{"changed unit", func(b *bed) { b.unit = strings.Replace(b.unit, "=no", "=yes", 1) },
			"service", Warning, "has changed", "systemctl daemon-reload", false},
		{"module that waits", func(b *bed) {
			b.module(2)["state"], b.module(2)["last_exit"] = "waiting", "exit status 3"
		}, "modules", Problem, "rootcheck is waiting; before, it ended: exit status 3", "ossec.log", false},
		{"module that nobody runs", func(b *bed) {
			b.daemon["modules"] = b.daemon["modules"].([]map[string]any)[:2]
		}, "modules", Problem, "rootcheck is switched on, and no daemon has it", "", false},
		{"module that is started again", func(b *bed) { b.module(2)["restarts"] = 3 },
			"modules", Warning, "started again 3 times", "grep rootcheck", false},
		{"deaf module", func(b *bed) { delete(b.modules, "rootcheck") },
			"modules", Problem, "rootcheck does not answer", "tail", false},
		{"journal that can't be written", func(b *bed) { b.modules["execd"]["unsaved"] = 2 },
			"modules", Problem, "could not write down its blocks 2 times", "df ", false},
		{"block that does not end", func(b *bed) { b.modules["execd"]["undo_failed"] = 2 },
			"modules", Warning, "could not end a block", "hids execd list", false},
		{"module without its capability", func(b *bed) { b.status(102, "hids-syscheckd", 0, 1) },
			"privileges", Warning, "syscheckd lacks CAP_DAC_READ_SEARCH", "--cap-add DAC_READ_SEARCH", false},
		{"module with all capabilities", func(b *bed) { b.status(102, "hids-syscheckd", 1<<41-1, 1) },
			"privileges", Problem, "capabilities that it does not need", "hids", false},
		{"module that is still root", func(b *bed) {
			b.patient.UserID = func(name string) (int, error) { return map[string]int{"hids-rootcheck": 4711}[name], nil }
			dir := b.patient.Layout.State("rootcheck")
			if err := errors.Join(os.Chown(dir, 4711, -1), os.Chown(filepath.Join(dir, "state"), 4711, -1)); err != nil {
				b.t.Fatal(err)
			}
		}, "privileges", Problem, "rootcheck runs as root and not as hids-rootcheck", "hids", true},
		{"module that may get more", func(b *bed) { b.status(102, "hids-syscheckd", 1<<unix.CAP_DAC_READ_SEARCH, 0) },
			"privileges", Problem, "could get more privileges", "hids", false},
	}
}

func faultsOfFiles() []fault {
	chmod := func(mode os.FileMode, path func(paths.Layout) string) func(*bed) {
		return func(b *bed) { b.chmod(path(b.patient.Layout), mode) }
	}
	chown := func(uid int, path func(paths.Layout) string) func(*bed) {
		return func(b *bed) {
			if err := os.Chown(path(b.patient.Layout), uid, -1); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	state := func(l paths.Layout) string { return filepath.Join(l.State("execd"), "state") }
	script := func(l paths.Layout) string { return l.Join("active-response", "bin", "x.sh") }
	return []fault{
		{"home for all", chmod(0o777, func(l paths.Layout) string { return l.Home }), "permissions", Problem, "everybody can write to", "chmod o-w ", false},
		{"home above for all", chmod(0o777, func(l paths.Layout) string { return filepath.Dir(l.Home) }), "permissions", Problem, "everybody can write to", "chmod o-w ", false},
		{"configuration for all", chmod(0o646, paths.Layout.OssecConf), "permissions", Problem, "ossec.conf (mode 0646)", "chmod o-w ", false},
		{"secrets for all", chmod(0o644, paths.Layout.HidsConf), "permissions", Warning, "everybody can read", "chmod o-r ", false},
		{"execq for all", chmod(0o666, paths.Layout.ExecQueue), "permissions", Problem, "execq", "chmod o-w ", false},
		{"event log of another", chown(65534, paths.Layout.EventLog), "permissions", Problem, "belongs to nobody", "chown root ", true},
		{"response table of another", chown(65534, paths.Layout.ARConf), "permissions", Problem, "ar.conf belongs to nobody", "chown root ", true},
		{"linked event log folder", func(b *bed) {
			dir := filepath.Dir(b.patient.Layout.EventLog())
			if err := os.Rename(dir, dir+".moved"); err != nil {
				b.t.Fatal(err)
			}
			b.link(dir+".moved", dir)
		}, "permissions", Problem, "is a link", "replace the link", false},
		{"response for all", chmod(0o757, script), "responses", Problem, "x.sh is not run", "chmod go-w", false},
		{"response of another", chown(65534, script), "responses", Problem, "x.sh is not run", "chown root", true},
		{"link to no response", func(b *bed) { b.link("/nowhere", b.patient.Layout.Join("active-response", "bin", "y.sh")) },
			"responses", Warning, "link to nothing", "rm ", false},
		{"state of another", chown(65534, state), "state", Problem, "execd can't write its state", "chown -R root ", true},
		{"state for all", chmod(0o666, state), "state", Problem, "everybody can write to", "chmod -R o-w", false},
	}
}

// mount puts a file system of a known size in the place of the logs.
func (b *bed) mount(options string) {
	b.t.Helper()
	dir := b.patient.Layout.Join("logs")
	if err := unix.Mount("doctor", dir, "tmpfs", 0, options); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// unknownBut knows only one name.
func unknownBut(known string) func(string) (int, error) {
	return func(name string) (int, error) {
		if name != known {
			return 0, &privdrop.UnknownError{Kind: map[bool]string{true: "user", false: "group"}[strings.HasPrefix(name, "hids")], Name: name}
		}
		return os.Geteuid(), nil
	}
}

// chmod changes the mode of what is there.
func (b *bed) chmod(path string, mode os.FileMode) {
	b.t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		b.t.Fatal(err)
	}
}

func faultsOfSockets() []fault {
	queue := func(messages, bytes, dropped int64) courier.Status {
		var q courier.Status
		q.Spool.Messages, q.Spool.Bytes, q.Spool.Dropped = messages, bytes, dropped
		return q
	}
	return []fault{
		{"no execq", func(b *bed) { os.Remove(b.patient.Layout.ExecQueue()) }, "sockets", Problem, "execq is gone", "hids", false},
		{"nobody at execq", func(b *bed) { b.proc("net/unix", "0: 2 0 0 0002 01 7002 /queue/ossec/queue\n") },
			"sockets", Problem, "nobody listens on", "hids", false},
		{"another at execq", func(b *bed) {
			b.process(903, "perl", "/usr/bin/perl", 7003)
			text, err := os.ReadFile(b.patient.Host.ProcPath("net/unix"))
			if err != nil {
				b.t.Fatal(err)
			}
			b.proc("net/unix", string(text)+"0: 2 0 0 0002 01 7003 "+b.patient.Layout.ExecQueue()+"\n")
		}, "sockets", Problem, "perl (process 903) listens on", "stop", false},
		{"no queue", func(b *bed) { os.Remove(b.patient.Layout.Queue()) }, "sockets", Problem, "is not there", "ossec-control start", false},
		{"nobody at the queue", func(b *bed) {
			b.proc("net/unix", "0: 2 0 0 0002 01 7001 "+b.patient.Layout.ExecQueue()+"\n")
		}, "sockets", Problem, "nobody reads", "ossec-control start", false},
		{"full spool", func(b *bed) { b.modules["rootcheck"]["queue"] = queue(7, 64<<20, 0) }, "queue", Problem, "is full: 7 messages wait", "ossec-control status", false},
		{"spool that fills", func(b *bed) { b.modules["rootcheck"]["queue"] = queue(7, 40<<20, 0) }, "queue", Warning, "fills: 7 messages wait", "ossec-control status", false},
		{"spool that was full", func(b *bed) { b.modules["rootcheck"]["queue"] = queue(0, 0, 5) }, "queue", Warning, "no room in its spool for 5 messages", "<spool_size>", false},
		{"agentd without a manager", func(b *bed) { b.modules["rootcheck"]["queue"] = courier.Status{Held: true} }, "queue", Warning, "agentd has no manager", "tail", false},
	}
}

func faultsOfHost() []fault {
	return []fault{
		{"too few watches", func(b *bed) {
			b.modules["syscheckd"]["watched"], b.modules["syscheckd"]["unwatched"] = 100000, 7
		}, "watches", Problem, "7 folders of 100007 have no watch", "fs.inotify.max_user_watches=262144", false},
		{"few watches", func(b *bed) { b.modules["syscheckd"]["watched"] = 95000 },
			"watches", Warning, "95000 folders are watched, and a user can watch 100000", "max_user_watches", false},
		{"lost notifications", func(b *bed) { b.modules["syscheckd"]["overflows"] = 2 },
			"watches", Warning, "lost 2 times", "max_queued_events=65536", false},
		{"many open files", func(b *bed) {
			for i := range 1000 {
				b.link("/dev/null", b.patient.Host.ProcPath("102", "fd", fmt.Sprint(i+10)))
			}
		}, "files", Problem, "syscheckd has 1000 files open and may have 1024", "LimitNOFILE", false},
		{"few files", func(b *bed) { b.proc("102/limits", "Max open files            64    64   files\n") },
			"files", Warning, "may have only 64", "LimitNOFILE", false},
		{"no nftables", func(b *bed) {
			b.patient.Features = func(context.Context) []features.Feature {
				return []features.Feature{{Name: features.Nftables, Err: errors.New("gone")}}
			}
		}, "kernel", Warning, "nftables is missing", "modprobe nf_tables", false},
		{"no inotify", func(b *bed) {
			b.patient.Features = func(context.Context) []features.Feature {
				return []features.Feature{{Name: features.Inotify, Err: errors.New("gone")}}
			}
		}, "kernel", Warning, "found by scans only", "max_user_instances", false},
		{"full disk", func(b *bed) { b.mount("size=64k") }, "disk", Problem, "KiB free", "du -xh", true},
		{"no inodes", func(b *bed) { b.mount("size=1g,nr_inodes=40") }, "disk", Problem, "inodes free", "df -i", true},
		{"little room", func(b *bed) { b.mount("size=64m") }, "disk", Warning, "has only 64 MiB free", "du -xh", true},
		{"read-only disk", func(b *bed) {
			b.mount("size=1g")
			if err := unix.Mount("", b.patient.Layout.Join("logs"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				b.t.Fatal(err)
			}
		}, "disk", Problem, "read-only", "remount,rw", true},
		{"clock set back", func(b *bed) { b.patient.Now = b.patient.Now.Add(-48 * time.Hour) },
			"clock", Problem, "the clock was set back", "timedatectl", false},
		{"clock that nobody keeps", func(b *bed) { b.patient.Clock = func() (bool, error) { return false, nil } },
			"clock", Warning, "nobody keeps the clock right", "set-ntp true", false},
	}
}

// Findings are for machines, too.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(Finding{Check: "x", Level: Problem, Message: "m", Fix: "f"})
	if err != nil || string(text) != `{"check":"x","level":"problem","message":"m","fix":"f"}` {
		t.Errorf("got %s, %v", text, err)
	}
}

// Only what is asked for is examined.
func TestNames(t *testing.T) {
	for _, f := range Examine(t.Context(), newBed(t).patient, "disk", "clock") {
		if f.Check != "disk" && f.Check != "clock" {
			t.Errorf("%+v", f)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"/var/ossec": "/var/ossec", "/a b": "'/a b'", "/it's": `'/it'\''s'`, "": "''"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
