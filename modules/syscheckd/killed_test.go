// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hids/modules"
	"hids/modules/event"
	"hids/platform/paths"
)

// asDaemon names, in the environment, the home of the daemon that a process of
// the test binary is to be.
const asDaemon = "HIDS_TEST_SYSCHECKD"

func TestMain(m *testing.M) {
	if home := os.Getenv(asDaemon); home != "" {
		os.Exit(beDaemon(home))
	}
	os.Exit(m.Run())
}

// doNothing is, in place of a home, what a process waits with: a yardstick.
const doNothing = "nothing"

// beDaemon watches home/tree until it is killed. It says "ready" on stdout.
func beDaemon(home string) int {
	if home == doNothing {
		fmt.Println("ready")
		time.Sleep(math.MaxInt64)
	}
	if err := limitWatches(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conf := configOf(filepath.Join(home, "tree"))
	conf.Settings.Queue = "yes"
	d, err := newDaemon(modules.Env{
		Config: conf, Layout: paths.Layout{Home: home}, Host: paths.Host{Root: home},
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Events: event.SinkFunc(func(context.Context, *event.Event) error { return nil }),
		Ready:  func() { fmt.Println("ready") },
	})
	if err == nil {
		err = d.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// child starts the daemon in a process of its own and waits until it is ready.
func (r *rig) child() *exec.Cmd {
	r.t.Helper()
	cmd := r.command()
	r.run(cmd)
	return cmd
}

// command is the daemon as a process.
func (r *rig) command() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asDaemon+"="+r.home)
	cmd.Stderr = r.log
	return cmd
}

// run starts the process and waits until it is ready.
func (r *rig) run(cmd *exec.Cmd) {
	r.t.Helper()
	out, err := cmd.StdoutPipe()
	must(r.t, err)
	must(r.t, cmd.Start())
	r.t.Cleanup(func() { cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		r.t.Fatalf("the daemon did not start: %q, %v\n%s", line, err, r.log)
	}
}

// kill is kill -9.
func (r *rig) kill(cmd *exec.Cmd) {
	r.t.Helper()
	must(r.t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		r.t.Fatalf("the daemon had ended by itself: %v\n%s", err, r.log)
	}
}

// grow makes a file longer, so that each of its states has a size of its own.
func (r *rig) grow(name string) {
	r.t.Helper()
	file, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_WRONLY, 0)
	must(r.t, err)
	_, err = file.WriteString("more")
	must(r.t, err)
	must(r.t, file.Close())
}

func (r *rig) size(name string) int64 {
	r.t.Helper()
	info, err := os.Stat(r.path(name))
	must(r.t, err)
	return info.Size()
}

// fickle is a reader of OSSEC's queue that comes and goes.
type fickle struct {
	path    string
	conn    *net.UnixConn
	done    chan struct{} // closed when what read began has ended
	mu      sync.Mutex    // guards what follows
	cond    *sync.Cond
	blocked bool
	got     map[string][]int64 // sizes told, by path; -1: deleted
	count   int                // messages about files
}

func newFickle(home string) *fickle {
	f := &fickle{path: paths.Layout{Home: home}.Queue(), got: map[string][]int64{}}
	f.cond = sync.NewCond(&f.mu)
	return f
}

// open begins to listen; nothing is read before read.
func (f *fickle) open(t testing.TB) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(f.path), 0o755))
	os.Remove(f.path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: f.path, Net: "unixgram"})
	must(t, err)
	f.conn = conn
}

// read reads until close, in another goroutine.
func (f *fickle) read() {
	conn, done := f.conn, make(chan struct{})
	f.done = done
	go func() {
		defer close(done)
		b := make([]byte, 8192)
		for {
			f.pass()
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			f.note(b[:n])
		}
	}()
}

// pass waits while the reader is blocked.
func (f *fickle) pass() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.blocked {
		f.cond.Wait()
	}
}

func (f *fickle) block(blocked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked = blocked
	f.cond.Broadcast()
}

// await waits until ok, which is called with mu held.
func (f *fickle) await(r *rig, what func() string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(2 * patience)
	timer := time.AfterFunc(2*patience, func() { f.mu.Lock(); defer f.mu.Unlock(); f.cond.Broadcast() })
	defer timer.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s\nlog:\n%s", what(), r.log)
		}
		f.cond.Wait()
	}
}

func (f *fickle) note(message []byte) {
	text, ok := bytes.CutPrefix(bytes.TrimRight(message, "\x00"), []byte("8:syscheck:"))
	sum, path, named := strings.Cut(string(text), " ")
	if !ok || !named {
		return
	}
	size := int64(-1)
	if sum != "-1" {
		number, _, _ := strings.Cut(sum, ":")
		size, _ = strconv.ParseInt(number, 10, 64)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if list := f.got[path]; len(list) == 0 || list[len(list)-1] != size {
		f.got[path] = append(list, size) // told again is told once
	}
	f.cond.Broadcast()
}

// lastIs waits until the last that was told of a path is a size.
func (f *fickle) lastIs(r *rig, name string, size int64) {
	r.t.Helper()
	last := func() []int64 { return f.got[r.path(name)] }
	f.await(r, func() string { return fmt.Sprintf("%s: told %v, is %d", name, last(), size) }, func() bool {
		list := last()
		return len(list) > 0 && list[len(list)-1] == size
	})
}

func (f *fickle) close() {
	if f.conn != nil {
		f.conn.Close() // the socket stays, and refuses
		f.conn = nil
	}
}

// TestKilled kills the daemon again and again while files change and the reader
// of the queue is there, deaf or away. Every file's last state arrives in the
// end, and no file's history is told in another order than it happened: sizes
// only grow here.
func TestKilled(t *testing.T) {
	r := newRig(t, "f0", "f1", "f2", "f3", "gone")
	f := newFickle(r.home)
	f.open(t)
	t.Cleanup(f.close)
	random := rand.New(rand.NewPCG(4, 4))
	for i := range sized(200, 40) {
		switch i % 4 {
		case 0: // it restarts and reads
			f.close()
			f.open(t)
			f.read()
		case 1: // it dies
			f.close()
		case 2: // it is deaf: ten messages, and writers wait
			f.open(t)
		case 3: // what was waiting is read after all
			f.read()
		}
		cmd := r.child()
		for range random.IntN(30) {
			r.grow("f" + strconv.Itoa(random.IntN(4)))
		}
		if i%4 == 0 { // not only at the start of its life
			r.grow("f0")
			f.lastIs(r, "f0", r.size("f0"))
			r.grow("f0")
		}
		r.kill(cmd)
	}
	f.close()
	f.open(t)
	f.read()
	// On a slow machine each life may have ended within the first scan. What
	// goes before there is a baseline was never there.
	cmd := r.child()
	for deadline := time.Now().Add(patience); !r.hasBaseline(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no first scan ends")
		}
	}
	r.kill(cmd)
	must(t, os.Remove(r.path("gone")))
	cmd = r.child()
	for i := range 4 {
		name := "f" + strconv.Itoa(i)
		f.lastIs(r, name, r.size(name))
	}
	f.lastIs(r, "gone", -1)
	r.kill(cmd)
	f.inOrder(t)
}

func (r *rig) hasBaseline() bool {
	_, err := os.Stat(paths.Layout{Home: r.home}.Baseline())
	return err == nil
}

// inOrder demands that sizes grew, but for what is told again: the start of a
// daemon forwards its baseline, and a message whose acknowledgement was lost
// comes twice, right behind itself.
func (f *fickle) inOrder(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, list := range f.got {
		if !slices.IsSorted(list) && !strings.HasSuffix(path, "/gone") {
			t.Errorf("%s: told out of order: %v", path, list)
		}
	}
}
