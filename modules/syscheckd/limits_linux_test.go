// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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
