// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/pkgdb"
	"hids/platform/plant"
)

// entry is one file of a tree: its text and mode.
type entry struct {
	text string
	mode os.FileMode
}

// image writes a tree and returns its root.
func image(t testing.TB, tree map[string]entry) string {
	t.Helper()
	root := t.TempDir()
	for name, e := range tree {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(e.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if e.mode != 0 {
			if err := os.Chmod(p, e.mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// database is a made-up package database: path to package.
type database map[string]string

func (d database) Owners(_ context.Context, list []string) (map[string]string, error) {
	owners := make(map[string]string)
	for _, p := range list {
		if pkg, ok := d[p]; ok {
			owners[p] = pkg
		}
	}
	return owners, nil
}

func (database) Sums(context.Context, []string) (map[string]pkgdb.Sum, error) { return nil, nil }

type scan struct {
	root   string
	db     check.Packages
	memory json.RawMessage
	live   bool
	log    io.Writer // nil: nobody reads it
}

// run asks one check, and returns the findings and what it remembers.
func run(t testing.TB, f func(context.Context, *check.Scan) error, c scan) ([]check.Finding, json.RawMessage) {
	t.Helper()
	tree, err := hostfile.New(c.root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer tree.Close()
	log := slog.New(slog.DiscardHandler)
	if c.log != nil {
		log = slog.New(slog.NewTextHandler(c.log, nil))
	}
	var found []check.Finding
	s := &check.Scan{
		Host: paths.Host{Root: c.root}, FS: tree, Check: "test", Config: &config.Rootcheck{}, Live: c.live,
		Log: log, Memory: check.NewMemory(c.memory), Packages: c.db,
		Emit: func(f check.Finding) { found = append(found, f) },
	}
	if err := f(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	raw, _ := s.Memory.Bytes()
	return found, raw
}

// walked runs the check that walks.
func walked(ctx context.Context, s *check.Scan) error {
	v, err := fileSystem(ctx, s)
	if err != nil {
		return err
	}
	return errors.Join(walk.Walk(ctx, s.FS, []walk.Visitor{v})...)
}

func expect(t *testing.T, found []check.Finding, want ...string) {
	t.Helper()
	var got []string
	for _, f := range found {
		if f.Wire != "" {
			got = append(got, f.Wire)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestPrivileged(t *testing.T) {
	const setuid = os.ModeSetuid | 0o755
	tree := map[string]entry{
		"usr/bin/su":              {"x", setuid},
		"usr/bin/base":            {"x", 0o755},
		"usr/local/bin/own":       {"x", os.ModeSetgid | 0o755},
		"usr/bin/locking":         {"x", os.ModeSetgid | 0o644},
		"tmp/.x/sh2":              {"x", setuid},
		"var/lib/docker/layer/su": {"x", setuid},
	}
	db := database{"/usr/bin/su": "util-linux", "/usr/bin/base": "base"}
	root := image(t, tree)
	found, memory := run(t, walked, scan{root: root, db: db})
	expect(t, found,
		"File '/usr/local/bin/own' is setuid or setgid and not expected to be.",
		"File '/tmp/.x/sh2' is setuid or setgid and not expected to be.")

	// An intruder gives a package's program the bit, and copies a shell.
	if err := os.Chmod(filepath.Join(root, "usr/bin/base"), setuid); err != nil {
		t.Fatal(err)
	}
	shell := filepath.Join(root, "usr/bin/bash")
	if err := os.WriteFile(shell, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shell, setuid); err != nil {
		t.Fatal(err)
	}
	db["/usr/bin/bash"] = "bash"
	want := []string{
		"File '/usr/local/bin/own' is setuid or setgid and not expected to be.",
		"File '/tmp/.x/sh2' is setuid or setgid and not expected to be.",
		"File '/usr/bin/base' is setuid or setgid and not expected to be.",
		"File '/usr/bin/bash' is setuid or setgid and not expected to be.",
	}
	for range 2 { // it is not forgotten once it was told
		found, memory = run(t, walked, scan{root: root, db: db, memory: memory})
		expect(t, found, want...)
	}
}

// TestRootsProgramsComeFirst: a report has an end, and anybody can plant programs
// of their own.
func TestRootsProgramsComeFirst(t *testing.T) {
	var found []string
	s := &check.Scan{Memory: check.NewMemory(nil), Log: slog.New(slog.DiscardHandler), Emit: func(f check.Finding) { found = append(found, f.Path) }}
	w := &tree{scan: s}
	for _, p := range []privileged{
		{path: "/opt/user", info: hostfile.Info{Mode: os.ModeSetuid, UID: 1000}},
		{path: "/opt/group", info: hostfile.Info{Mode: os.ModeSetgid, UID: 0, GID: 1000}},
		{path: "/opt/root", info: hostfile.Info{Mode: os.ModeSetuid}},
		{path: "/opt/caps", info: hostfile.Info{UID: 1000}, caps: make([]byte, 20)},
		{path: "/opt/namespace", info: hostfile.Info{UID: 1000}, caps: append(make([]byte, 20), 1, 0, 0, 0)},
		{path: "/opt/wheel", info: hostfile.Info{Mode: os.ModeSetgid, UID: 1000}},
	} {
		w.privileged.add(p.roots(), p)
	}
	if err := w.judgePrivileged(nil, true); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/opt/root", "/opt/caps", "/opt/wheel", "/opt/user", "/opt/group", "/opt/namespace"}; !slices.Equal(found, want) {
		t.Errorf("in the order %v", found)
	}
}

// TestPrivilegedWithoutDatabase: the first run is what later ones compare with.
func TestPrivilegedWithoutDatabase(t *testing.T) {
	root := image(t, map[string]entry{"usr/bin/su": {"x", os.ModeSetuid | 0o755}, "usr/bin/new": {"x", 0o755}})
	found, memory := run(t, walked, scan{root: root})
	expect(t, found)
	if err := os.Chmod(filepath.Join(root, "usr/bin/new"), os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	found, _ = run(t, walked, scan{root: root, memory: memory})
	expect(t, found, "File '/usr/bin/new' is setuid or setgid and not expected to be.")
}

func TestCapabilities(t *testing.T) {
	testenv.Root(t)
	root := image(t, map[string]entry{"usr/local/bin/x": {"x", 0o755}})
	plant.Capability(t, filepath.Join(root, "usr/local/bin/x"))
	found, _ := run(t, walked, scan{root: root, db: database{}})
	expect(t, found, "File '/usr/local/bin/x' is privileged and not expected to be.")
	if !strings.Contains(found[0].Title, "capabilities 0100000200200000") {
		t.Error(found[0].Title)
	}
}

func TestImmutable(t *testing.T) {
	testenv.Root(t)
	root := image(t, map[string]entry{"etc/cron.d/job": {"* * * * * root true\n", 0}, "etc/cron.d/other": {}})
	plant.Immutable(t, filepath.Join(root, "etc/cron.d/job"))
	found, _ := run(t, walked, scan{root: root})
	expect(t, found, "File '/etc/cron.d/job' is immutable.")
}

func TestNames(t *testing.T) {
	root := image(t, map[string]entry{
		"dev/.hidden/x":       {},
		"dev/shm/prog":        {"\x7fELF\x02\x01\x01", 0o755},
		"dev/shm/data":        {"text", 0},
		"usr/lib/.../kit":     {},
		"tmp/.. /kit":         {},
		"tmp/.X11-unix/X0":    {},
		"etc/x\x1b[2J":        {},
		"usr/lib/pkg/. x":     {},
		"home/u/my file .txt": {},
		"home/u/...":          {},
		"etc/.pwd.lock":       {},
	})
	found, _ := run(t, walked, scan{root: root, db: database{"/usr/lib/pkg/. x": "odd"}})
	expect(t, found,
		"File '/dev/.hidden' has a name that hides it.",
		"File '/usr/lib/...' has a name that hides it.",
		"File '/tmp/.. ' has a name that hides it.",
		`File '/etc/x\x1b[2J' has a name that hides it.`,
		"Program '/dev/shm/prog' present in shared memory.")
}

// TestLeasedProgram: a file in shared memory that can't be looked into is no file
// without a program in it.
func TestLeasedProgram(t *testing.T) {
	root := image(t, map[string]entry{"dev/shm/prog": {"\x7fELF\x02\x01\x01", 0o755}, "dev/shm/short": {"x", 0}})
	tree, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer tree.Close()
	s := &check.Scan{FS: tree, Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(nil), Emit: func(check.Finding) {}}
	if err := walked(t.Context(), s); err != nil || s.Faults != 0 {
		t.Errorf("%v, %d faults, want none", err, s.Faults)
	}
	held, err := os.OpenFile(filepath.Join(root, "dev/shm/prog"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := unix.FcntlInt(held.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		testenv.Skip(t, "needs a file system with leases: "+err.Error())
	}
	if err := walked(t.Context(), s); err != nil || s.Faults != 1 {
		t.Errorf("%v, %d faults, want one", err, s.Faults)
	}
}

// TestPlantedLists: what anybody can plant is counted, and does not push out what
// is root's.
func TestPlantedLists(t *testing.T) {
	var l listed[int]
	for i := range maxListed + 7 {
		l.add(false, i)
	}
	l.add(true, -1)
	if all := l.all(); len(all) != maxListed+1 || all[0] != -1 || l.dropped != 7 {
		t.Errorf("%d things, %d first, %d dropped", len(all), all[0], l.dropped)
	}
	s := &check.Scan{Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(nil), Emit: func(check.Finding) {}}
	w := &tree{ctx: t.Context(), scan: s}
	for range maxListed + 1 {
		w.oddNames.add(false, "/tmp/...")
	}
	if err := w.Finish(nil); err != nil || s.Faults != 1 {
		t.Errorf("%v, %d faults, want one", err, s.Faults)
	}
}

// TestPlantedPrograms: what any user can plant, in a folder that is looked at
// early, pushes out nothing of root's, and what there is no room for is told.
func TestPlantedPrograms(t *testing.T) {
	testenv.Root(t)
	const setuid, users = os.ModeSetuid | 0o755, maxListed + 20
	tree := map[string]entry{
		"usr/local/bin/root":   {"x", setuid},
		"usr/local/bin/daemon": {"x", setuid},
		"usr/lib/.../kit":      {},
	}
	for i := range users {
		tree[fmt.Sprintf("dev/shm/%d", i)] = entry{"x", setuid}
		tree[fmt.Sprintf("dev/shm/%d ", i)] = entry{}
	}
	root := image(t, tree)
	if err := os.Chmod(filepath.Join(root, "dev/shm"), 0o1777); err != nil {
		t.Fatal(err)
	}
	for name := range tree {
		if strings.HasPrefix(name, "dev/shm/") || strings.HasSuffix(name, "daemon") {
			if err := os.Lchown(filepath.Join(root, name), 1000, 1000); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(root, name), tree[name].mode|0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log strings.Builder
	found, _ := run(t, walked, scan{root: root, db: database{}, log: &log})
	for _, want := range []string{"/usr/local/bin/root", "/usr/local/bin/daemon", "/usr/lib/..."} {
		if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Path == want }) {
			t.Errorf("%s was pushed out", want)
		}
	}
	if len(found) != 2*maxListed+3 {
		t.Errorf("%d findings", len(found))
	}
	for _, want := range []string{`op="list programs with more rights" err="20 are left out`, `op="list odd names" err="20 are left out`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("not told: %s in\n%s", want, log.String())
		}
	}
}

// TestAutomounted: a walk begins anew in what an automounter mounted in a folder
// that is not listed, unless it is gone by then or not wanted.
func TestAutomounted(t *testing.T) {
	const line = "43 42 0:43 / %s rw - xfs /dev/vdc rw\n"
	proc := t.TempDir()
	mount := func(points ...string) {
		text := "42 1 0:42 / /net rw - autofs auto.net rw\n"
		for _, p := range points {
			text += fmt.Sprintf(line, p)
		}
		if err := os.MkdirAll(filepath.Join(proc, "self"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, "self/mountinfo"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mount("/net/disk", "/net/brief", "/var/lib/docker/x")
	s := &check.Scan{Host: paths.Host{Proc: proc}, Live: true, Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler)}
	v, err := fileSystem(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	mount("/net/disk", "/var/lib/docker/x")
	var wanted []string
	for _, dir := range append(v.Roots(), "/net") {
		if v.Wants(dir, nil) {
			wanted = append(wanted, dir)
		}
	}
	if !slices.Equal(wanted, []string{"/", "/net/disk"}) {
		t.Errorf("begins in %q", wanted)
	}
}

// TestDeepTree: a tree made to exhaust descriptors is a fault, not a crash.
func TestDeepTree(t *testing.T) {
	root := t.TempDir()
	r, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	for range 405 { // the walk goes 400 deep
		if err := r.Mkdir("d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := r.OpenRoot("d")
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	r.Close()
	tree, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer tree.Close()
	s := &check.Scan{FS: tree, Config: &config.Rootcheck{}, Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(nil), Emit: func(check.Finding) {}}
	if err := walked(t.Context(), s); err != nil || s.Faults != 1 {
		t.Errorf("%v, %d faults, want one", err, s.Faults)
	}
}

func TestLoader(t *testing.T) {
	elf := func(preload string) entry { return entry{"\x7fELF...\x00" + preload + "\x00", 0o755} }
	root := image(t, map[string]entry{
		"etc/ld.so.preload":          {"/lib/evil.so /lib/snoopy.so # comment\n", 0},
		"lib/snoopy.so":              {},
		"lib64/ld-linux-x86-64.so.2": elf("/etc/ld.so.preload"),
		"lib/ld-linux.so.2":          elf("/bin/.ld.so"),
		"lib/ld-linux-script":        {"GROUP(x)", 0},
		"etc/ld.so.conf":             {"include /etc/ld.so.conf.d/*.conf\n", 0},
		"etc/ld.so.conf.d/a.conf":    {"# libs\n/opt/open\n/opt/closed\n/opt/none\n", 0},
		"opt/open/x":                 {},
		"opt/closed/x":               {},
	})
	if err := os.Chmod(filepath.Join(root, "opt/open"), 0o777); err != nil {
		t.Fatal(err)
	}
	found, _ := run(t, loader, scan{root: root, db: database{"/lib/snoopy.so": "snoopy"}})
	want := []string{
		"Preload library '/lib/evil.so' configured in /etc/ld.so.preload.",
		"Dynamic loader '/lib/ld-linux.so.2' does not use /etc/ld.so.preload. Possible user level rootkit (patched loader).",
		"System Audit: Library folder '/opt/open' can be written by others than root.",
	}
	if os.Geteuid() != 0 { // then none of the tree is root's
		want = append(want, "System Audit: Library folder '/opt/closed' can be written by others than root.")
	}
	expect(t, found, want...)
}

// TestLongPreload: what is padded is told, and what can be read of it is read.
func TestLongPreload(t *testing.T) {
	root := image(t, map[string]entry{"etc/ld.so.preload": {"/lib/first.so\n" + strings.Repeat(" ", maxConf) + "/lib/last.so\n", 0}})
	found, _ := run(t, loader, scan{root: root})
	expect(t, found,
		"File '/etc/ld.so.preload' is too long. Possible user level rootkit (hidden preload library).",
		"Preload library '/lib/first.so' configured in /etc/ld.so.preload.")
}

// TestPaddedLoader: padding keeps nothing of what is in front of it from being
// found, and is told.
func TestPaddedLoader(t *testing.T) {
	pad := strings.Repeat("# padding\n", maxConf/10+1)
	root := image(t, map[string]entry{
		"lib/ld-linux.so.2":   {"\x7fELF...\x00/bin/.ld.so\x00" + strings.Repeat("\x00", maxLoader), 0o755},
		"etc/ld.so.conf":      {"/opt/open\n" + pad, 0},
		"etc/ld.so.conf.d/sh": {},
		"opt/open/x":          {},
	})
	if err := os.Chmod(filepath.Join(root, "opt/open"), 0o777); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	found, _ := run(t, loader, scan{root: root, log: &log})
	expect(t, found,
		"Dynamic loader '/lib/ld-linux.so.2' does not use /etc/ld.so.preload. Possible user level rootkit (patched loader).",
		"System Audit: Library folder '/opt/open' can be written by others than root.")
	if strings.Count(log.String(), "level=WARN") != 2 {
		t.Error(log.String())
	}
}

func TestAccounts(t *testing.T) {
	root := image(t, map[string]entry{
		"etc/passwd": {"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n+nis:::::\nbroken\n" +
			"a:x:1000:1000::/home/a:/bin/bash\nb:x:1000:1000::/home/b:/bin/bash\nc::1001:1001::/:/bin/sh\nd::1002:1002::/:/usr/sbin/nologin\ne:x:1003:1::/:/bin/sh\n", 0},
		"etc/shadow": {"root:*:1::::::\ntoor:$6$x:1::::::\na::1::::::\nb:!:1::::::\n", 0},
	})
	found, _ := run(t, accounts, scan{root: root})
	expect(t, found,
		"Account 'toor' has uid 0 besides root.",
		"System Audit: Accounts 'a' and 'b' share uid 1000.",
		"Account 'a' has no password.",
		"Account 'c' has no password.")
}

// TestThisHost: two system calls agree about every folder of a part of this
// machine, and its loader is whole, whatever else goes on.
func TestThisHost(t *testing.T) {
	for _, c := range []struct {
		f    func(context.Context, *check.Scan) error
		root string
	}{{walked, "/etc"}, {walked, "/var/lib"}, {loader, ""}} {
		found, _ := run(t, c.f, scan{root: c.root})
		for _, f := range found {
			if f.Kind == check.Rootkit || f.Rule == "patched-loader" {
				t.Errorf("%s: %+v", c.root, f)
			}
		}
	}
}

func FuzzAccounts(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\n"), []byte("root::1\n"))
	f.Fuzz(func(t *testing.T, passwd, shadow []byte) {
		passwords := parseShadow(shadow)
		for _, u := range parsePasswd(passwd) {
			open(u, passwords)
		}
		preloadList(passwd)
	})
}

func FuzzOddName(f *testing.F) {
	f.Add("/dev", "...")
	f.Fuzz(func(t *testing.T, dir, name string) {
		if name != "" && !strings.Contains(name, "/") && suspect([]byte(name)) {
			oddName(dir, dir+"/"+name, name)
		}
	})
}

func BenchmarkFileSystem(b *testing.B) {
	for b.Loop() {
		run(b, walked, scan{root: "/usr"})
	}
}

func BenchmarkLoader(b *testing.B) {
	for b.Loop() {
		run(b, loader, scan{live: true})
	}
}

// What glibc takes for an account with uid 0 is one, however it is written.
func TestPasswdAsGlibcReadsIt(t *testing.T) {
	text := "root:x:0:0:root:/root:/bin/sh\nsix:x:0:0::/\nfour:x:0:0\nspace:x: 0:0::/:/bin/sh\n \tblank:x:0:0::/:/bin/sh\n" +
		"three:x:0\n#off:x:0:0::/:\n+nis:x:0:0::/:\n:x:0:0::/:\nword:x:zero:0::/:\n"
	var names []string
	for _, u := range parsePasswd([]byte(text)) {
		names = append(names, u.name)
	}
	if got := strings.Join(names, " "); got != "root six four space blank" {
		t.Errorf("accounts %q", got)
	}
}
