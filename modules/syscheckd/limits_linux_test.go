// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// TestOverflow keeps the daemon from taking notifications until the kernel has
// lost some: the change that was lost is told, and that some were is said.
func TestOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	if limit > 100_000 {
		testenv.Skip(t, "fs.inotify.max_queued_events is too high to be exceeded in a test")
	}
	r := newRig(t, "a", "b", "d/lost")
	r.start()
	r.daemon.feed.mu.Lock()
	for i := range 2*limit + 10_000 { // two files in turn: the kernel merges what repeats
		err := os.Chmod(r.path([]string{"a", "b"}[i%2]), 0o600)
		if err != nil {
			r.daemon.feed.mu.Unlock()
			t.Fatal(err)
		}
	}
	err = os.WriteFile(r.path("d/lost"), []byte("changed"), 0o644)
	r.daemon.feed.mu.Unlock()
	must(t, err)
	r.expect("updated d/lost")
	if _, _, overflows := r.daemon.feed.watching(); overflows == 0 {
		t.Error("nothing was lost")
	}
	if !strings.Contains(r.log.String(), "sysctl fs.inotify.max_queued_events=") {
		t.Error("the log does not say what to do")
	}
}

// maxWatches is, in the environment of a daemon that is a process of its own,
// how many folders its user namespace may watch.
const maxWatches = "HIDS_TEST_MAX_WATCHES"

// limitWatches is called by the daemon's process.
func limitWatches() error {
	n := os.Getenv(maxWatches)
	if n == "" {
		return nil
	}
	return os.WriteFile("/proc/sys/user/max_inotify_watches", []byte(n), 0)
}

// TestWatchLimit gives the daemon fewer watches than there are folders: it says
// so and what to do, changes in the folders that it watches are told at once,
// and those elsewhere by the next scan.
func TestWatchLimit(t *testing.T) {
	r := newRig(t)
	const folders = 2000
	last := filepath.Join("d"+strconv.Itoa(folders-1), "f")
	for i := range folders {
		must(t, os.Mkdir(r.path("d"+strconv.Itoa(i)), 0o755))
	}
	r.write("near", "x")
	r.write(last, "x")
	f := newFickle(r.home)
	f.open(t)
	t.Cleanup(f.close)
	f.read()
	t.Setenv(maxWatches, "500")
	cmd := r.command()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := exec.Command("unshare", "--user", "--map-root-user", "true").Run(); err != nil {
		testenv.Skip(t, "user namespaces")
	}
	r.run(cmd)
	f.lastIs(r, last, 1) // the first scan has come to an end
	r.grow("near")
	f.lastIs(r, "near", 5)
	r.grow(last)
	// Also while the first scan still runs: it is heard when that has ended.
	must(t, os.WriteFile(filepath.Join(r.home, "var", "run", ".syscheck_run"), nil, 0o644))
	f.lastIs(r, last, 5)
	r.kill(cmd)
	if log := r.log.String(); strings.Count(log, "sysctl fs.inotify.max_user_watches=") != 1 {
		t.Errorf("the log says what to do other than once:\n%s", log)
	}
}

// TestFoldersWithoutWatch looks at the folders for which there was no room
// after a while.
func TestFoldersWithoutWatch(t *testing.T) {
	r := newRig(t, "d/a")
	r.start()
	feed, dir := r.daemon.feed, r.path("d")
	feed.mu.Lock()
	feed.watcher.RemoveTree(dir)
	feed.cannotWatch(dir, os.ErrInvalid)
	feed.retried = feed.retried.Add(-2 * retryEvery)
	feed.mu.Unlock()
	r.write("d/a", "changed")
	feed.retry(time.Now())
	r.expect("updated d/a")
	if _, unwatched, _ := feed.watching(); unwatched != 0 {
		t.Errorf("%d folders are without a watch although there is room again", unwatched)
	}
}

// TestManyFolders watches 30,000 folders: none is left without a watch, and what
// happens in the first, the last and a new one is told.
func TestManyFolders(t *testing.T) {
	folders := sized(30_000, 1000)
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	must(t, err)
	if limit, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || limit < folders+1000 {
		testenv.Skip(t, "fs.inotify.max_user_watches is too low")
	}
	r := newRig(t)
	name := func(i int) string { return "d" + strconv.Itoa(i/100) + "/e" + strconv.Itoa(i) }
	for i := range folders {
		must(t, os.MkdirAll(r.path(name(i)), 0o755))
	}
	r.start()
	want := 3 + folders + (folders+99)/100 // the tree, what it is in, and var/run
	if watched, unwatched, _ := r.daemon.feed.watching(); watched != want || unwatched != 0 {
		t.Errorf("%d folders are watched and %d are not, want %d and none", watched, unwatched, want)
	}
	for _, dir := range []string{name(0), name(folders - 1), name(folders/2) + "/new/below"} {
		r.write(dir+"/f", "new")
		if e := r.expect("created " + dir + "/f"); e.HIDS.Trigger != "realtime" {
			t.Errorf("found by %s", e.HIDS.Trigger)
		}
	}
	must(t, os.Rename(r.path("d0"), r.path("renamed")))
	r.expect("moved renamed/e0/f from d0/e0/f")
	r.write("renamed/e1/f", "after it was renamed")
	r.expect("created renamed/e1/f")
	must(t, os.RemoveAll(r.path("d1")))
	r.expect("deleted d1")
	r.rest("mark")
	if watched, unwatched, _ := r.daemon.feed.watching(); watched != want-101+2 || unwatched != 0 {
		t.Errorf("at the end %d folders are watched and %d are not, want %d and none", watched, unwatched, want-101+2)
	}
}

// TestGivesWay looks at the threads of a daemon: batch work, and idle at the
// disk.
func TestGivesWay(t *testing.T) {
	r := newRig(t, "a")
	cmd := r.child()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid))
	must(t, err)
	if len(tasks) < 2 {
		t.Fatalf("%d threads", len(tasks))
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", cmd.Process.Pid, task.Name()))
		if err != nil {
			continue // it has ended
		}
		_, fields, _ := strings.Cut(string(stat), ") ") // from the third on, proc(5)
		if policy := strings.Fields(fields)[41-3]; policy != "3" {
			t.Errorf("thread %s has scheduling policy %s, want 3, SCHED_BATCH", task.Name(), policy)
		}
		tid, err := strconv.Atoi(task.Name())
		must(t, err)
		const whoProcess, classIdle = 1, 3
		prio, _, errno := syscall.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(tid), 0)
		if errno == 0 && prio>>13 != classIdle {
			t.Errorf("thread %s has I/O class %d, want 3, idle", task.Name(), prio>>13)
		}
	}
	r.kill(cmd)
}
