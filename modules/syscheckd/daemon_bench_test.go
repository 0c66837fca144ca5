// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scaled divides a number of files by HIDS_BENCH_SCALE.
func scaled(b *testing.B, n int) int {
	b.Helper()
	text := os.Getenv("HIDS_BENCH_SCALE")
	if text == "" {
		return n
	}
	by, err := strconv.Atoi(text)
	if err != nil || by < 1 {
		b.Fatalf("HIDS_BENCH_SCALE is %q, not a whole number above 0", text)
	}
	return max(n/by, 1)
}

// fill makes n files, a hundred to a folder.
func (r *rig) fill(n int, content string) {
	for i := range n {
		if i%100 == 0 {
			must(r.t, os.MkdirAll(r.path("d"+strconv.Itoa(i/100)), 0o755))
		}
		must(r.t, os.WriteFile(r.path(fmt.Sprintf("d%d/f%d", i/100, i)), []byte(content), 0o644))
	}
}

// BenchmarkChangeToEvent is the time from a change to its event, on an idle
// machine with one change at a time.
func BenchmarkChangeToEvent(b *testing.B) {
	r := newRig(b, "f0")
	r.start()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		name := "n" + strconv.Itoa(i)
		began := time.Now()
		must(b, os.Symlink("x", r.path(name)))
		r.expect("created " + name)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}

// BenchmarkBurst changes 100,000 files at once and waits until the daemon has
// come to rest, with a baseline to which a scan has nothing to add.
func BenchmarkBurst(b *testing.B) {
	n := scaled(b, 100_000)
	r := newRig(b)
	r.fill(n, "old")
	r.start()
	for i := 0; b.Loop(); i++ {
		r.fill(n, "new content "+strconv.Itoa(i))
		r.rest("mark" + strconv.Itoa(i))
		b.StopTimer()
		r.mu.Lock()
		r.events = nil
		r.mu.Unlock()
		r.quiet()
		b.StartTimer()
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "changes/s")
}

// BenchmarkStart watches 30,000 folders: until the first message is sent, and
// until the first scan has ended.
func BenchmarkStart(b *testing.B) {
	n := scaled(b, 30_000)
	r := newRig(b)
	for i := range n {
		must(b, os.Mkdir(r.path("d"+strconv.Itoa(i)), 0o755))
	}
	r.write("z", "the last file")
	for b.Loop() {
		must(b, os.RemoveAll(filepath.Join(r.home, "queue", "hids")))
		f := newFickle(r.home)
		f.open(b)
		f.read()
		began := time.Now()
		cmd := r.command()
		r.run(cmd)
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms-ready")
		f.lastIs(r, "z", int64(len("the last file")))
		r.kill(cmd)
		f.close()
	}
}

// BenchmarkMemory is what a daemon with 100,000 files holds after its first
// scan.
func BenchmarkMemory(b *testing.B) {
	r := newRig(b)
	r.fill(scaled(b, 100_000), "content")
	r.write("z", "the last file")
	f := newFickle(r.home)
	f.open(b)
	b.Cleanup(f.close)
	f.read()
	for b.Loop() {
		cmd := r.command()
		r.run(cmd)
		f.lastIs(r, "z", int64(len("the last file")))
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		must(b, err)
		r.kill(cmd)
		for line := range strings.Lines(string(text)) {
			var kib float64
			if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
				b.ReportMetric(kib/1024, "MiB-RSS")
			}
		}
	}
}
