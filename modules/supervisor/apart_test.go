// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"

	"hids/platform/paths"
)

// apart is a supervisor in a process of its own.
type apart struct {
	*rigged
	cmd *exec.Cmd
	in  io.Closer
}

func startApart(t *testing.T, home string, files []*os.File, env ...string) *apart {
	t.Helper()
	a := &apart{rigged: &rigged{t: t, log: &buffer{}, layout: paths.Layout{Home: home}}}
	a.cmd = exec.Command(os.Args[0])
	a.cmd.Env = append(append(os.Environ(), envHome+"="+home), env...)
	a.cmd.ExtraFiles = files
	a.cmd.Stderr = a.log
	in, err := a.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.in = in
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := io.ReadAll(io.LimitReader(out, int64(len("ready\n"))))
	if err != nil || string(line) != "ready\n" {
		_ = a.cmd.Wait()
		t.Fatalf("not ready: %q, %v; log:\n%s", line, err, a.log)
	}
	return a
}

func (a *apart) end() {
	a.t.Helper()
	_ = a.in.Close()
	if err := a.cmd.Wait(); err != nil {
		a.t.Errorf("%v; log:\n%s", err, a.log)
	}
}

// When the supervisor is killed its modules end by themselves.
func TestModulesEndWithSupervisor(t *testing.T) {
	a := startApart(t, tempHome(t), nil)
	p := a.mustProbe("")
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait()
	a.await("the module to end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
	// And the next supervisor is not kept from starting.
	startApart(t, a.layout.Home, nil).end()
}

// The service manager keeps execq while the supervisor is replaced: a sender
// that connected before stays connected, and nothing it sends is lost.
func TestExecqOutlivesSupervisor(t *testing.T) {
	home, manager := tempHome(t), newManager(t)
	first := startApart(t, home, nil, "NOTIFY_SOCKET="+manager.path)
	kept := manager.next(t, "FDSTORE=1")
	manager.next(t, "READY=1")
	c, err := net.Dial("unixgram", first.layout.ExecQueue())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first.end()
	manager.next(t, "STOPPING=1")
	if _, err := io.WriteString(c, "between the two"); err != nil {
		t.Fatalf("nobody keeps the socket: %v", err)
	}
	second := startApart(t, home, []*os.File{kept}, "NOTIFY_SOCKET="+manager.path, "LISTEN_FDS=1", "LISTEN_FDNAMES=execq")
	second.await("the datagram", func() bool {
		return slices.Contains(second.mustProbe("").Got, "between the two")
	})
	if _, err := io.WriteString(c, "to the second"); err != nil {
		t.Fatal(err)
	}
	second.await("the next datagram", func() bool {
		return slices.Contains(second.mustProbe("").Got, "to the second")
	})
	second.end()
}

// The service manager is told of every step, and its watchdog is fed.
func TestServiceManagerIsTold(t *testing.T) {
	manager := newManager(t)
	a := startApart(t, tempHome(t), nil, "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=20000")
	manager.next(t, "READY=1")
	manager.next(t, "WATCHDOG=1")
	if err := a.supervisor().Post(ceiling(t), "/reload", nil, nil); err != nil {
		t.Fatal(err)
	}
	manager.next(t, "RELOADING=1")
	manager.next(t, "READY=1")
	manager.next(t, "WATCHDOG=1")
	a.end()
	manager.next(t, "STOPPING=1")
}
