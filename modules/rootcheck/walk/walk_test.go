// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/platform/hostfile"
	"hids/platform/paths"
)

// visitor notes what it is told.
type visitor struct {
	roots  []string
	leave  string // a folder that it does not want
	closed string // a folder that it enters and wants nothing of
	seen   []string
	faults []string
	end    error
}

func (v *visitor) Roots() []string { return v.roots }

func (v *visitor) Wants(full string, up State) bool {
	if up == nil {
		return slices.Contains(v.roots, full)
	}
	return full != v.leave
}

func (v *visitor) Enter(f *Folder, _ State) State {
	v.seen = append(v.seen, strings.TrimSuffix(f.Path, "/")+"/")
	if f.Path == v.closed {
		return nil
	}
	return f.Path
}

func (v *visitor) Entry(f *Folder, e *Entry, st State) {
	if st != f.Path {
		panic("the state of another folder")
	}
	if !e.Info.IsDir() {
		v.seen = append(v.seen, filepath.Join(f.Path, e.Text()))
	}
}

func (v *visitor) Leave(*Folder, State)     {}
func (v *visitor) Fault(op string, _ error) { v.faults = append(v.faults, op) }
func (v *visitor) Finish(err error) error   { v.end = err; return err }

// tree is a host in a folder.
type tree struct {
	*hostfile.FS
	Root string
}

func host(t *testing.T, names ...string) tree {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	files, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	t.Cleanup(func() { files.Close() })
	return tree{files, root}
}

// TestOneWalkForAll: each visitor sees exactly what it wants, each thing once,
// whatever the others want.
func TestOneWalkForAll(t *testing.T) {
	files := host(t, "etc/a", "etc/sub/b", "usr/bin/c", "usr/share/d", "var/lib/docker/x/e", "home/f")
	all := &visitor{roots: []string{"/"}, leave: "/var/lib/docker"}
	some := &visitor{roots: []string{"/usr/bin", "/etc", "/bin", "/var/lib/docker/x", "/none"}, closed: "/etc/sub"}
	for _, together := range [][]Visitor{{all, some}, {some}, {all}} {
		all.seen, some.seen = nil, nil
		for i, err := range Walk(t.Context(), files.FS, together) {
			if err != nil {
				t.Errorf("visitor %d: %v", i, err)
			}
		}
		want := strings.Fields("/usr/bin/ /usr/bin/c /etc/ /etc/a /etc/sub/ /var/lib/docker/x/ /var/lib/docker/x/e")
		if slices.Contains(together, Visitor(some)) {
			slices.Sort(want)
			slices.Sort(some.seen)
			if diff := gocmp.Diff(want, some.seen); diff != "" {
				t.Errorf("of some (-want +got):\n%s", diff)
			}
		}
		want = strings.Fields("/ /bin /etc/ /etc/a /etc/sub/ /etc/sub/b /usr/ /usr/bin/ /usr/bin/c /usr/share/ /usr/share/d /var/ /var/lib/ /home/ /home/f")
		if slices.Contains(together, Visitor(all)) {
			slices.Sort(want)
			slices.Sort(all.seen)
			if diff := gocmp.Diff(want, all.seen); diff != "" {
				t.Errorf("of all (-want +got):\n%s", diff)
			}
		}
		if len(all.faults)+len(some.faults) > 0 {
			t.Errorf("faults %v, %v", all.faults, some.faults)
		}
	}
}

// TestFaultsReachTheInterested: what is too deep is a fault of who wants it,
// and of nobody else.
func TestFaultsReachTheInterested(t *testing.T) {
	files := host(t, "usr/a", "etc/"+strings.Repeat("d/", maxDepth+3)+"b")
	all, other := &visitor{roots: []string{"/"}, leave: "/etc/d"}, &visitor{roots: []string{"/etc"}}
	Walk(t.Context(), files.FS, []Visitor{all, other})
	if len(all.faults) > 0 || len(other.faults) != 1 || !strings.HasPrefix(other.faults[0], "look into /etc/d/") {
		t.Errorf("faults %v and %v", all.faults, other.faults)
	}
}

// TestLongPaths: nested folders do not make paths without end, and what is beside
// them is seen.
func TestLongPaths(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "z"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := r.Mkdir(strings.Repeat("d", 255), 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := r.OpenRoot(strings.Repeat("d", 255))
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	r.Close()
	files, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	defer files.Close()
	v := &visitor{roots: []string{"/"}}
	Walk(t.Context(), files, []Visitor{v})
	longest := slices.MaxFunc(v.seen, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	if len(v.faults) != 1 || len(longest) < MaxPath-256 || len(longest) > MaxPath+1 || !slices.Contains(v.seen, "/z") {
		t.Errorf("%d faults, the longest of %d names has %d bytes", len(v.faults), len(v.seen), len(longest))
	}
}

// TestManyStops: a limit that the walk came to often is one fault for each
// visitor that it concerns.
func TestManyStops(t *testing.T) {
	all, other := &visitor{}, &visitor{}
	w := &walker{visitors: []Visitor{all, other}, stops: make([][]stop, 2)}
	for i := range 1000 {
		w.stop([]bool{true, i == 7}, fmt.Sprint("/", i), errDepth)
	}
	w.stop([]bool{true, false}, "/x", errPath)
	f := &Folder{Path: "/many"}
	w.waiting = maxWaiting - 100
	if got := w.wait(nil, f, subfolder{name: "a"}, []State{nil, f}); len(got) != 1 {
		t.Error("no room for a folder")
	}
	if got := w.wait(nil, f, subfolder{name: "b"}, []State{nil, f}); len(got) != 0 {
		t.Error("more folders than there is room for")
	}
	w.tellStops(0)
	w.tellStops(1)
	if diff := gocmp.Diff([]string{"look into /0", "look into /x"}, all.faults); diff != "" {
		t.Errorf("of all (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"look into /7", "look into /many/b"}, other.faults); diff != "" {
		t.Errorf("of the other (-want +got):\n%s", diff)
	}
}

func TestWalkEnds(t *testing.T) {
	files := host(t, "etc/a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := &visitor{roots: []string{"/"}}
	if errs := Walk(ctx, files.FS, []Visitor{v}); !errors.Is(errs[0], context.Canceled) || !errors.Is(v.end, context.Canceled) {
		t.Errorf("%v, %v", errs, v.end)
	}
	if len(v.seen) > 1 {
		t.Errorf("went on after the end: %v", v.seen)
	}
}

func TestMounts(t *testing.T) {
	text := `21 1 0:20 / / rw - ext4 /dev/vda rw
22 21 0:21 / /mnt/s3 rw,nosuid,nodev - fuse.s3fs s3 rw
23 21 0:22 / /var/www rw - nfs4 server:/ rw
24 21 0:23 / /snap/core ro,nodev - squashfs /dev/loop0 ro
25 21 0:24 / /tmp rw,nosuid - tmpfs tmpfs rw
26 21 0:25 / /net rw - autofs auto.net rw
27 21 0:26 / /boot rw,nosuid - autofs systemd-1 rw
28 27 0:27 / /boot rw - ext4 /dev/vda1 rw
29 21 0:28 / /srv rw - ext4 /dev/vda2 rw
30 29 0:29 / /srv rw - fuse.sshfs sshfs rw
`
	want := Mounts{
		Made: set("/mnt/s3", "/net", "/srv"), Remote: set("/var/www"), Image: set("/snap/core"), NoSetid: set("/mnt/s3", "/tmp"),
	}
	if diff := gocmp.Diff(want, readMounts(t, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMountsOverMounts: what a path leads to is what was mounted over the rest,
// be it listed before it (moved) or behind it.
func TestMountsOverMounts(t *testing.T) {
	text := `1 1 0:2 / / rw - rootfs rootfs rw
21 1 0:20 / / rw - ext4 /dev/vda rw
30 40 0:30 / /home rw - ext4 /dev/vdb rw
40 21 0:40 / /home rw,nosuid - autofs systemd-1 rw
41 21 0:41 / /srv rw - autofs systemd-1 rw
42 21 0:42 / /net rw - autofs auto.net rw
43 42 0:43 / /net/disk rw - xfs /dev/vdc rw
44 42 0:44 / /net/far rw - nfs4 server:/ rw
45 43 0:45 / /net/disk/in rw - tmpfs tmpfs rw
50 21 0:50 / /opt/hide/in rw - fuse.x x rw
51 21 0:51 / /opt/hide rw - tmpfs tmpfs rw
52 50 0:52 / /opt/hide/in/below rw - nfs4 server:/ rw
`
	want := Mounts{
		Made: set("/srv", "/net"), Remote: set("/net/far"), Image: set(), NoSetid: set(), Auto: []string{"/net/disk", "/net/far"},
	}
	if diff := gocmp.Diff(want, readMounts(t, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func readMounts(t *testing.T, mountinfo string) Mounts {
	t.Helper()
	proc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(proc, "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "self", "mountinfo"), []byte(mountinfo), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMounts(paths.Host{Proc: proc})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
