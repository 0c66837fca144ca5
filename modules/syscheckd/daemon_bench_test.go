// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/modules/syscheckd/record"
	"hids/platform/fswatch"
)

// The numbers of files and folders that the goals of this module speak of.
const (
	manyFiles   = 100_000
	manyFolders = 30_000
)

// scaled divides a number of files by HIDS_BENCH_SCALE.
func scaled(b *testing.B, n int) int { return max(n/scale(b), 1) }

func scale(b *testing.B) int {
	b.Helper()
	text := os.Getenv("HIDS_BENCH_SCALE")
	if text == "" {
		return 1
	}
	by, err := strconv.Atoi(text)
	if err != nil || by < 1 {
		b.Fatalf("HIDS_BENCH_SCALE is %q, not a whole number above 0", text)
	}
	return by
}

// fill makes n files, a hundred to a folder.
func fill(t testing.TB, root string, n int, content string) {
	for i := range n {
		dir := filepath.Join(root, "d"+strconv.Itoa(i/100))
		if i%100 == 0 {
			must(t, os.MkdirAll(dir, 0o755))
		}
		must(t, os.WriteFile(filepath.Join(dir, "f"+strconv.Itoa(i)), []byte(content), 0o644))
	}
}

func (r *rig) fill(n int, content string) { fill(r.t, r.tree, n, content) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile sorts.
func quantile(list []time.Duration, part float64) float64 {
	slices.Sort(list)
	return milliseconds(list[int(part*float64(len(list)-1))])
}

// BenchmarkChangeToEvent is the time from a change to its event, with one change
// at a time, beside the time until the system's notification of such a change
// has come.
func BenchmarkChangeToEvent(b *testing.B) {
	r := newRig(b, "f0")
	r.start()
	watcher, err := fswatch.New(slog.New(slog.DiscardHandler))
	must(b, err)
	defer watcher.Close()
	beside := b.TempDir()
	must(b, watcher.Add(beside))
	var took, bare []time.Duration
	for i := 0; b.Loop(); i++ {
		name := "n" + strconv.Itoa(i)
		began := time.Now()
		must(b, os.Symlink("x", filepath.Join(beside, name)))
		<-watcher.Events()
		bare = append(bare, time.Since(began))
		began = time.Now()
		must(b, os.Symlink("x", r.path(name)))
		r.expect("created " + name)
		took = append(took, time.Since(began))
	}
	b.ReportMetric(quantile(took, 0.5), "ms-median")
	b.ReportMetric(quantile(took, 0.99), "ms-p99")
	b.ReportMetric(quantile(bare, 0.5), "ms-notification-median")
}

// BenchmarkBurst changes 100,000 files at once and waits until the daemon has
// come to rest; then the baseline has the content of each, and a scan has
// nothing to add. Beside it the same changes are made where nobody watches.
func BenchmarkBurst(b *testing.B) {
	n := scaled(b, manyFiles)
	r := newRig(b)
	beside := filepath.Join(r.home, "beside")
	r.fill(n, "old")
	fill(b, beside, n, "old")
	r.start()
	var bare, changed, took time.Duration
	for i := 0; b.Loop(); i++ {
		content := "new content " + strconv.Itoa(i)
		began := time.Now()
		fill(b, beside, n, content)
		bare += time.Since(began)
		began = time.Now()
		r.fill(n, content)
		changed += time.Since(began)
		r.rest("mark" + strconv.Itoa(i))
		took += time.Since(began)
		r.holds(n, content)
		r.mu.Lock()
		r.events, r.all = nil, nil
		r.mu.Unlock()
		r.quiet()
	}
	b.ReportMetric(float64(n*b.N)/took.Seconds(), "changes/s")
	b.ReportMetric(milliseconds(took-changed)/float64(b.N), "ms-to-rest")
	b.ReportMetric(took.Seconds()/bare.Seconds(), "x-unwatched")
}

// holds demands that the baseline has n files with a content, and no others but
// links.
func (r *rig) holds(n int, content string) {
	r.t.Helper()
	sum, good := sha256.Sum256([]byte(content)), 0
	must(r.t, r.daemon.session.Each(nil, func(path string, rec *record.Record) error {
		switch {
		case rec.Type != record.File:
		case rec.SHA256 != sum:
			r.t.Errorf("%s: another content in the baseline", path)
		default:
			good++
		}
		return nil
	}))
	if good != n {
		r.t.Fatalf("the baseline holds %d of %d files as they are", good, n)
	}
}

// BenchmarkWatchFolders watches 30,000 folders: the first scan, which watches
// each before it reads it, beside the bare system calls that watch them.
func BenchmarkWatchFolders(b *testing.B) {
	n := scaled(b, manyFolders)
	r := newRig(b)
	for i := range n {
		must(b, os.Mkdir(r.path("d"+strconv.Itoa(i)), 0o755))
	}
	var took, bare time.Duration
	for b.Loop() {
		began := time.Now()
		r.watchBare(n)
		bare += time.Since(began)
		must(b, os.RemoveAll(filepath.Join(r.home, "queue", "hids")))
		began = time.Now()
		r.start()
		took += time.Since(began)
		watched, unwatched, _ := r.daemon.feed.watching()
		if watched < n+1 || unwatched > 0 {
			b.Fatalf("%d folders are watched, %d are not", watched, unwatched)
		}
		must(b, os.Symlink("x", r.path("d"+strconv.Itoa(n-1)+"/new")))
		r.expect("created d" + strconv.Itoa(n-1) + "/new")
		must(b, r.stop())
		must(b, os.Remove(r.path("d"+strconv.Itoa(n-1)+"/new")))
	}
	b.ReportMetric(milliseconds(took)/float64(b.N), "ms-scan-and-watch")
	b.ReportMetric(milliseconds(bare)/float64(b.N), "ms-inotify-alone")
}

// watchBare is what the kernel takes for n watches.
func (r *rig) watchBare(n int) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	must(r.t, err)
	defer unix.Close(fd)
	for i := range n {
		if _, err := unix.InotifyAddWatch(fd, r.path("d"+strconv.Itoa(i)), unix.IN_CREATE); err != nil {
			r.t.Fatalf("watch folder %d: %v: raise fs.inotify.max_user_watches", i, err)
		}
	}
}

// BenchmarkFirstMessage is the time from the start of the process to its first
// message to the manager, with a baseline of 100,000 files: beside the time that
// the same program takes to start and do nothing.
func BenchmarkFirstMessage(b *testing.B) {
	r := newRig(b)
	r.fill(scaled(b, manyFiles), "content")
	r.write("z", "the last file")
	r.scannedOnce()
	var took, bare []time.Duration
	for b.Loop() {
		began := time.Now()
		idle := r.idler()
		bare = append(bare, time.Since(began))
		r.kill(idle)
		f := newFickle(r.home)
		f.open(b)
		cmd := r.command()
		began = time.Now()
		r.run(cmd)
		_, err := f.conn.Read(make([]byte, 8192))
		must(b, err)
		took = append(took, time.Since(began))
		r.kill(cmd)
		f.close()
		// What it had no time to send would be the first message of the next.
		must(b, os.RemoveAll(filepath.Join(r.home, "queue", "hids", "syscheckd", "spool")))
	}
	b.ReportMetric(quantile(took, 0.5), "ms-median")
	b.ReportMetric(quantile(took, 1), "ms-max")
	b.ReportMetric(quantile(bare, 0.5), "ms-bare-process-median")
}

// scannedOnce makes the baseline, by a daemon that has all told to the manager.
func (r *rig) scannedOnce() {
	r.kill(r.scanned())
}

// scanned starts a daemon and waits until its first scan is told.
func (r *rig) scanned() *exec.Cmd {
	r.t.Helper()
	f := newFickle(r.home)
	f.open(r.t)
	r.t.Cleanup(f.close)
	f.read()
	cmd := r.child()
	f.lastIs(r, "z", int64(len("the last file")))
	return cmd
}

// idler is a process of the same program that does nothing.
func (r *rig) idler() *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asDaemon+"="+doNothing)
	cmd.Stderr = r.log
	r.run(cmd)
	return cmd
}

// BenchmarkMemory is what a daemon with 100,000 files holds after its first
// scan, and held at most, beside a process of the same program that does
// nothing.
func BenchmarkMemory(b *testing.B) {
	r := newRig(b)
	r.fill(scaled(b, manyFiles), "content")
	r.write("z", "the last file")
	idle := r.idler()
	defer r.kill(idle)
	for b.Loop() {
		must(b, os.RemoveAll(filepath.Join(r.home, "queue", "hids")))
		cmd := r.scanned()
		b.ReportMetric(memory(b, cmd, "VmRSS"), "MiB-RSS")
		b.ReportMetric(memory(b, cmd, "VmHWM"), "MiB-RSS-peak")
		r.kill(cmd)
	}
	b.ReportMetric(memory(b, idle, "VmRSS"), "MiB-RSS-bare-process")
}

// memory reads a line of /proc/PID/status, in MiB.
func memory(b *testing.B, cmd *exec.Cmd, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	must(b, err)
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, name+": %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	b.Fatalf("no %s", name)
	return 0
}

// BenchmarkIdle is the processor time that a daemon with 100,000 files takes for
// a minute in which nothing happens, beside a process of the same program that
// does nothing.
func BenchmarkIdle(b *testing.B) {
	r := newRig(b)
	r.fill(scaled(b, manyFiles), "content")
	r.write("z", "the last file")
	cmd := r.scanned()
	idle := r.idler()
	defer r.kill(idle)
	defer r.kill(cmd)
	for last := time.Duration(0); cpu(b, cmd)-last > time.Millisecond; time.Sleep(time.Second) {
		last = cpu(b, cmd) // the last messages are still on their way
	}
	var took, bare, over time.Duration
	for b.Loop() {
		began, ours, others := time.Now(), cpu(b, cmd), cpu(b, idle)
		time.Sleep(max(time.Minute/time.Duration(scale(b)), 2*time.Second))
		over += time.Since(began)
		took += cpu(b, cmd) - ours
		bare += cpu(b, idle) - others
	}
	b.ReportMetric(milliseconds(took)/over.Minutes(), "ms-CPU/minute")
	b.ReportMetric(milliseconds(bare)/over.Minutes(), "ms-CPU/minute-bare-process")
}

// cpu is the processor time that all threads of a process have taken, to the
// nanosecond: /proc/PID/task/TID/schedstat, see sched-stats in the kernel's
// documentation.
func cpu(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", cmd.Process.Pid))
	must(b, err)
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := bytes.Cut(text, []byte(" "))
		n, err := strconv.ParseInt(string(first), 10, 64)
		must(b, err)
		sum += time.Duration(n)
	}
	return sum
}
