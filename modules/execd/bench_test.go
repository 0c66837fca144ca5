// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// BenchmarkStart is datagram to script start, one at a time: beside a bare
// loop of fork and exec of the same script.
func BenchmarkStart(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		f, started := benchFixture(b)
		path := filepath.Join(f.layout.ResponseBin(), "touchdown")
		null, err := os.Open(os.DevNull)
		if err != nil {
			b.Fatal(err)
		}
		defer null.Close()
		for b.Loop() {
			p, err := os.StartProcess(path, []string{path, "add", "-", "203.0.113.1"}, &os.ProcAttr{Files: []*os.File{null, null, null}})
			if err != nil {
				b.Fatal(err)
			}
			started.await()
			b.StopTimer()
			if _, err := p.Wait(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	for _, name := range []string{"plain0", "timed600"} {
		b.Run(name, func(b *testing.B) {
			f, started := benchFixture(b)
			f.begin()
			n := 0
			for b.Loop() {
				n++
				f.send(fmt.Sprintf("%s - 10.%d.%d.%d 1.1 5 x\x00", name, n>>16, n>>8&255, n&255))
				started.await()
				b.StopTimer()
				f.settled()
				b.StartTimer()
			}
		})
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
