// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"hids/internal/testenv"
	"hids/platform/paths"
)

const monitored = `<ossec_config>
  <syscheck>
    <frequency>86400</frequency>
    <directories realtime="yes" check_all="yes">%s</directories>
  </syscheck>
  <rootcheck><disabled>no</disabled></rootcheck>
  <active-response><disabled>yes</disabled></active-response>
</ossec_config>
`

// monitor is a hids with file monitoring and rootcheck, whose messages to the
// manager come to us.
type monitor struct {
	layout paths.Layout
	hids   string
	tree   string // which is monitored
	queue  *net.UnixConn
	n      int
}

func startMonitor(b *testing.B) *monitor {
	b.Helper()
	hids, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	m := &monitor{hids: hids, layout: paths.Layout{Home: b.TempDir()}}
	m.tree = b.TempDir()
	for _, dir := range []string{filepath.Dir(m.layout.OssecConf()), filepath.Dir(m.layout.Queue())} {
		must(b, os.MkdirAll(dir, 0o755))
	}
	must(b, os.WriteFile(m.layout.OssecConf(), fmt.Appendf(nil, monitored, m.tree), 0o644))
	m.queue, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.layout.Queue(), Net: "unixgram"})
	must(b, err)
	b.Cleanup(func() { m.queue.Close() })
	daemon := exec.CommandContext(b.Context(), hids, "run", "-f", "-D", m.layout.Home)
	var output bytes.Buffer
	daemon.Stdout, daemon.Stderr = &output, &output
	daemon.Cancel = func() error { return daemon.Process.Signal(syscall.SIGTERM) }
	must(b, daemon.Start())
	b.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if b.Failed() {
			b.Logf("hids said:\n%s", output.String())
		}
	})
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// change makes a file and returns how long its message took; false if there was
// none in time.
func (m *monitor) change(b *testing.B, patience time.Duration) (time.Duration, bool) {
	b.Helper()
	m.n++
	file := filepath.Join(m.tree, fmt.Sprint("n", m.n))
	began := time.Now()
	must(b, os.Symlink("x", file)) // which is there at once, as no file with content is
	buf := make([]byte, 64<<10)
	must(b, m.queue.SetReadDeadline(began.Add(patience)))
	for {
		n, err := m.queue.Read(buf)
		if err != nil {
			return 0, false
		}
		if bytes.HasPrefix(buf[:n], []byte("8:syscheck:")) && bytes.HasSuffix(bytes.TrimRight(buf[:n], "\x00\n"), []byte(" "+file)) {
			return time.Since(began), true
		}
	}
}

// measure makes changes for as long as it is asked to.
func (m *monitor) measure(b *testing.B, more func(done int) bool) []time.Duration {
	b.Helper()
	var took []time.Duration
	for more(len(took)) {
		d, ok := m.change(b, time.Minute)
		if !ok {
			b.Fatal("a change was not told within a minute")
		}
		took = append(took, d)
	}
	return took
}

// scan lets rootcheck's daemon scan and returns what ends when it is over.
func (m *monitor) scan(b *testing.B) <-chan struct{} {
	b.Helper()
	over := make(chan struct{})
	args := []string{"rootcheck", "--scan-now", "-D", m.layout.Home}
	if os.Getenv("HIDS_BENCH_SCALE") != "" {
		args = append(args, "pids", "ports") // the smallest part that takes some time
	}
	cmd := exec.CommandContext(b.Context(), m.hids, args...)
	must(b, cmd.Start())
	go func() {
		defer close(over)
		_ = cmd.Wait() // its code says what it found
	}()
	return over
}

// BenchmarkRealtimeBesideRootcheck is the time from a change to its
// message, with rootcheck at rest and in a scan by turns.
func BenchmarkRealtimeBesideRootcheck(b *testing.B) {
	testenv.Root(b)
	m := startMonitor(b)
	for end := time.Now().Add(time.Minute); ; {
		if _, ok := m.change(b, time.Second); ok {
			break
		}
		if time.Now().After(end) {
			b.Fatal("no change is told")
		}
	}
	var rest, scan []time.Duration
	for b.Loop() {
		rest = append(rest, m.measure(b, func(done int) bool { return done < 200 })...)
		over := m.scan(b)
		scan = append(scan, m.measure(b, func(int) bool {
			select {
			case <-over:
				return false
			default:
				return true
			}
		})...)
	}
	for name, list := range map[string][]time.Duration{"rest": rest, "scan": scan} {
		slices.Sort(list)
		b.ReportMetric(milliseconds(list[len(list)/2]), "ms-median-"+name)
		b.ReportMetric(milliseconds(list[len(list)*99/100]), "ms-p99-"+name)
	}
	b.ReportMetric(float64(scan[len(scan)/2])/float64(rest[len(rest)/2]), "ratio")
	b.ReportMetric(float64(len(scan)), "changes-during-scans")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
