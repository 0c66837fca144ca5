// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"hids/config"
	"hids/config/match"
	"hids/config/rules"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
	"hids/platform/bareloop"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

func eachTree(b *testing.B, f func(b *testing.B, t tree, dir string)) {
	for _, t := range trees() {
		t = scaled(b, t)
		dir := t.make(b)
		b.Run(t.name, func(b *testing.B) {
			if t.size > 0 {
				b.SetBytes(int64(t.files) * int64(t.size))
			}
			f(b, t, dir)
		})
	}
}

// ratio runs f and, just before each time, the bare loop over the same tree;
// "x-bare" is how many times as long f took, and "cpu-x-bare" how many times as
// much of the processors, which a busy machine disturbs less.
func ratio(b *testing.B, dir string, f func()) {
	b.ReportAllocs()
	var bare, ours, bareCPU, oursCPU time.Duration
	for b.Loop() {
		b.StopTimer()
		start, cpu := time.Now(), bareloop.CPU()
		if _, err := bareloop.Hash(dir, runtime.GOMAXPROCS(0)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			b.Fatal(err)
		}
		bare += time.Since(start)
		bareCPU += bareloop.CPU() - cpu
		b.StartTimer()
		start, cpu = time.Now(), bareloop.CPU()
		f()
		ours += time.Since(start)
		oursCPU += bareloop.CPU() - cpu
	}
	if bare > 0 {
		b.ReportMetric(ours.Seconds()/bare.Seconds(), "x-bare")
	}
	if bareCPU > 0 {
		b.ReportMetric(oursCPU.Seconds()/bareCPU.Seconds(), "cpu-x-bare")
	}
}

func scanOnce(b *testing.B, db *baseline.DB, dir string) *scan.Result {
	o := scan.Options{Rules: rules.New(&config.Syscheck{
		Directories: []config.Directory{{Path: dir, Checks: config.CheckAll, RecursionLevel: -1}},
	})}
	r, err := scan.Run(b.Context(), db, o, scan.Events{Change: func(c *scan.Change) error {
		return fmt.Errorf("a tree at rest: %s %q", c.Action, c.Path)
	}})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func open(b *testing.B, dir string) *baseline.DB {
	db, err := baseline.Open(filepath.Join(dir, "baseline.db"))
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func BenchmarkFirstScan(b *testing.B) {
	eachTree(b, func(b *testing.B, t tree, dir string) {
		base := b.TempDir()
		n := 0
		ratio(b, dir, func() {
			n++
			db := open(b, filepath.Join(base, fmt.Sprint(n)))
			if r := scanOnce(b, db, dir); r.Seeded < int64(t.files) {
				b.Fatalf("%d files in the baseline", r.Seeded)
			}
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkQuietRescan(b *testing.B) {
	eachTree(b, func(b *testing.B, _ tree, dir string) {
		base := b.TempDir()
		scanAt(b, base, dir)
		ratio(b, dir, func() { scanAt(b, base, dir) })
	})
}

func BenchmarkBareLoop(b *testing.B) {
	eachTree(b, func(b *testing.B, _ tree, dir string) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := bareloop.Hash(dir, runtime.GOMAXPROCS(0))
			if errors.Is(err, errors.ErrUnsupported) {
				b.Skip("no bare loop for this system")
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// looker only looks: a walk without any hashing.
type looker struct{ st fsstat.Stat }

func (l *looker) Inspect(_ context.Context, t *fswalk.Task, out *int64) {
	if t.Self == nil && t.Dir.Lstat(t.Name, &l.st) == nil {
		*out = l.st.Size
	}
}

func BenchmarkWalk(b *testing.B) {
	eachTree(b, func(b *testing.B, _ tree, dir string) {
		b.SetBytes(0)
		b.ReportAllocs()
		for b.Loop() {
			err := fswalk.Walk(b.Context(), fswalk.Options[int64]{
				Roots:     []string{dir},
				Choose:    func(string, fsstat.Kind) (visit, descend bool) { return true, true },
				Alias:     func(string, string) bool { return false },
				Inspector: func() fswalk.Inspector[int64] { return &looker{} },
				Deadline:  time.Hour,
			}, func(*fswalk.Item[int64]) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	r := &record.Record{Type: record.File, Has: record.HasSums | record.HasXattrs | record.HasFlags, Size: 4096, Mode: 0o100644, Mtime: 1 << 60, Inode: 1 << 30}
	buf := make([]byte, 0, 256)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = r.Append(buf[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := record.Decode(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPatternMatch(b *testing.B) {
	m, err := match.Compile(".log$|.htm$|.jpg$|.png$|.chm$|.pnf$|.evtx$|^/var/cache")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.MatchString("/usr/lib/x86_64-linux-gnu/perl/5.36.0/auto/POSIX/POSIX.so")
	}
}

func BenchmarkPeers(b *testing.B) {
	eachTree(b, func(b *testing.B, _ tree, dir string) {
		b.Run("sha256sum", func(b *testing.B) {
			need(b, "find", "xargs", "sha256sum")
			for b.Loop() {
				shell := fmt.Sprintf("find %s -type f -print0 | xargs -0 -P%d -n 256 sha256sum >/dev/null", dir, runtime.GOMAXPROCS(0))
				run(b, exec.CommandContext(b.Context(), "/bin/sh", "-c", shell))
			}
		})
		b.Run("aide-first", func(b *testing.B) { aide(b, dir, "--init") })
		b.Run("aide-rescan", func(b *testing.B) { aide(b, dir, "--check") })
	})
}

// aide runs AIDE with the same sums over the tree, and just before each time our
// own scan of the same kind; "x-hids" is how many times as long AIDE took, and
// "cpu-x-hids" how many times as much of the processors.
func aide(b *testing.B, dir, mode string) {
	need(b, "aide")
	state := b.TempDir()
	conf := filepath.Join(state, "aide.conf")
	text := fmt.Sprintf("database_in=file:%[1]s/db\ndatabase_out=file:%[1]s/db.new\nnum_workers=%[2]d\n%[3]s p+i+n+u+g+s+m+c+md5+sha1+sha256\n",
		state, runtime.GOMAXPROCS(0), dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	own := filepath.Join(state, "own")
	if mode == "--check" {
		run(b, exec.CommandContext(b.Context(), "aide", "--config", conf, "--init"))
		if err := os.Rename(filepath.Join(state, "db.new"), filepath.Join(state, "db")); err != nil {
			b.Fatal(err)
		}
		scanAt(b, own, dir)
	}
	var ours, theirs, oursCPU, theirsCPU time.Duration
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		at := own
		if mode == "--init" {
			at = filepath.Join(own, fmt.Sprint(n))
		}
		start, cpu := time.Now(), bareloop.CPU()
		scanAt(b, at, dir)
		ours += time.Since(start)
		oursCPU += bareloop.CPU() - cpu
		b.StartTimer()
		cmd := exec.CommandContext(b.Context(), "aide", "--config", conf, mode)
		start = time.Now()
		run(b, cmd)
		theirs += time.Since(start)
		theirsCPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-hids")
	if oursCPU > 0 {
		b.ReportMetric(theirsCPU.Seconds()/oursCPU.Seconds(), "cpu-x-hids")
	}
}

// scanAt scans with the baseline in a folder, as one run of the program does.
func scanAt(b *testing.B, state, dir string) {
	db := open(b, state)
	scanOnce(b, db, dir)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func need(b *testing.B, programs ...string) {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			b.Skipf("%s is not installed", p)
		}
	}
}

func run(b *testing.B, cmd *exec.Cmd) {
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}
