// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/platform/datasync"
)

// starts is a FIFO into which a program writes as early as a shell can: the
// benchmark waits there.
type starts struct {
	b    *testing.B
	fifo *os.File
	buf  [1]byte
}

// benchFixture has a program that does nothing but say that it runs.
func benchFixture(b *testing.B) (*fixture, *starts) {
	b.Helper()
	f := newFixture(b, "plain0 - touchdown - 0\ntimed600 - touchdown - 600\n")
	path := f.layout.Join("fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		b.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { fifo.Close() })
	script := "#!/bin/sh\nprintf x >" + path + "\n"
	if err := os.WriteFile(filepath.Join(f.layout.ResponseBin(), "touchdown"), []byte(script), 0o755); err != nil {
		b.Fatal(err)
	}
	f.cfg.ActiveResponse.KeepOnStop = true
	return f, &starts{b: b, fifo: fifo}
}

func (s *starts) await() {
	s.b.Helper()
	if _, err := s.fifo.Read(s.buf[:]); err != nil {
		s.b.Fatal(err)
	}
}

// BenchmarkStart is datagram to script start, one at a time, beside bare loops
// that start the same script: one does nothing else, one makes a record durable
// first, which is what it would cost not to flush beside the start. All take
// turns, so that they meet the same machine, and in a new order each time: who
// comes after a pause meets a colder one. The next begins when the script before has ended and execd
// has told of it. The figures are medians and their ratios.
func BenchmarkStart(b *testing.B) {
	f, started := benchFixture(b)
	f.events.seen = make(chan struct{})
	told := func() { <-f.events.seen }
	f.begin()
	bare := newBare(b, f)
	n := 0
	request := func(name string) func() {
		return func() {
			n++
			f.send(fmt.Sprintf("%s - 10.%d.%d.%d 1.1 5 x\x00", name, n>>16, n>>8&255, n&255))
		}
	}
	ways := []*way{
		{name: "bare", start: bare.start, settle: bare.wait},
		{name: "bare-durable", start: func() { bare.record(); bare.start() }, settle: bare.wait},
		{name: "plain", start: request("plain0"), settle: told},
		{name: "timed", start: request("timed600"), settle: told},
	}
	for b.Loop() {
		for _, i := range rand.Perm(len(ways)) {
			w := ways[i]
			begun := time.Now()
			w.start()
			started.await()
			w.took = append(w.took, time.Since(begun))
			w.settle()
		}
	}
	for _, w := range ways {
		b.ReportMetric(w.median(), w.name+"-ns")
	}
	b.ReportMetric(ways[2].median()/ways[0].median(), "plain/bare")
	b.ReportMetric(ways[3].median()/ways[0].median(), "timed/bare")
	b.ReportMetric(ways[3].median()/ways[1].median(), "timed/bare-durable")
	b.ReportMetric(0, "ns/op") // of all four, and of what they need between: says nothing
}

// way is one way to start a script.
type way struct {
	name          string
	start, settle func() // settle is not measured
	took          []time.Duration
}

func (w *way) median() float64 {
	slices.Sort(w.took)
	return float64(w.took[len(w.took)/2])
}

// bare starts the script with nothing around it.
type bare struct {
	b       *testing.B
	path    string
	null    *os.File
	proc    *os.Process
	journal *os.File
	end     int64
}

// recordSize is about that of the journal's record of a block.
const recordSize = 512

func newBare(b *testing.B, f *fixture) *bare {
	b.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}
	journal, err := os.Create(filepath.Join(f.layout.State("execd"), "yardstick"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close(); journal.Close() })
	// As execd's journal: what is written is there already.
	if _, err := journal.Write(make([]byte, 4<<20)); err != nil {
		b.Fatal(err)
	}
	if err := journal.Sync(); err != nil {
		b.Fatal(err)
	}
	return &bare{b: b, path: filepath.Join(f.layout.ResponseBin(), "touchdown"), null: null, journal: journal}
}

func (s *bare) start() {
	s.b.Helper()
	var err error
	s.proc, err = os.StartProcess(s.path, []string{s.path, "add", "-", "203.0.113.1"},
		&os.ProcAttr{Files: []*os.File{s.null, s.null, s.null}})
	if err != nil {
		s.b.Fatal(err)
	}
}

func (s *bare) wait() {
	s.b.Helper()
	if _, err := s.proc.Wait(); err != nil {
		s.b.Fatal(err)
	}
}

func (s *bare) record() {
	s.b.Helper()
	s.end = (s.end + recordSize) % (4 << 20)
	if _, err := s.journal.WriteAt(make([]byte, recordSize), s.end); err != nil {
		s.b.Fatal(err)
	}
	if err := datasync.File(s.journal); err != nil {
		s.b.Fatal(err)
	}
}

// BenchmarkBurst is many at once: requests a second, until the last script has
// started.
func BenchmarkBurst(b *testing.B) {
	burst := 500
	if os.Getenv("HIDS_BENCH_SCALE") != "" { // only to see that it works
		burst = 20
	}
	b.Run("bare", func(b *testing.B) {
		f, started := benchFixture(b)
		path := filepath.Join(f.layout.ResponseBin(), "touchdown")
		null, err := os.Open(os.DevNull)
		if err != nil {
			b.Fatal(err)
		}
		defer null.Close()
		for b.Loop() {
			procs := make([]*os.Process, burst)
			for i := range procs {
				if procs[i], err = os.StartProcess(path, []string{path, "add", "-", "203.0.113.1"}, &os.ProcAttr{Files: []*os.File{null, null, null}}); err != nil {
					b.Fatal(err)
				}
			}
			for _, p := range procs {
				started.await()
				if _, err := p.Wait(); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(burst*b.N)/b.Elapsed().Seconds(), "req/s")
	})
	for _, name := range []string{"plain0", "timed600"} {
		b.Run(name, func(b *testing.B) {
			f, started := benchFixture(b)
			f.begin()
			n := 0
			for b.Loop() {
				go func(first int) {
					c, err := net.Dial("unixgram", f.layout.ExecQueue())
					if err != nil {
						b.Error(err)
						return
					}
					defer c.Close()
					for i := first; i < first+burst; i++ {
						if _, err := fmt.Fprintf(c, "%s - 10.%d.%d.%d 1.1 5 x\x00", name, i>>16, i>>8&255, i&255); err != nil {
							b.Error(err)
						}
					}
				}(n)
				n += burst
				for range burst {
					started.await()
				}
			}
			f.sent = int64(n)
			f.settled()
			b.ReportMetric(float64(burst*b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// BenchmarkAccept is the decision and the journal alone, without a program.
func BenchmarkAccept(b *testing.B) {
	for _, timeout := range []time.Duration{0, time.Hour} {
		b.Run(timeout.String(), func(b *testing.B) {
			f := newFixture(b, "")
			f.programs("ardump")
			fake := &fakePrograms{}
			f.parts = func(p *parts) { p.start = fake.start }
			f.begin()
			prog, err := f.d.programs().find("ardump")
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				o := order{entry: entry{name: "a", timeout: timeout, prog: prog}}
				o.req.Args = []string{"-", fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255), "1.1", "5"}
				for _, j := range f.d.accept([]order{o}) {
					f.d.leave(j)
				}
			}
		})
	}
}
