// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"hids/config"
	"hids/modules/event"
	"hids/modules/event/eventlog"
	"hids/platform/inherit"
	"hids/platform/paths"
	"hids/platform/privdrop"
	"hids/platform/procname"
	systemd "hids/platform/service"
)

// envEvents names the pipe on which a command that runs as another user hands
// its events to the one that started it.
const envEvents = "HIDS_EVENTS"

// stateOwner returns the user to whom the state of syscheck belongs, if root is
// asked to work on it and it is not root's: once the daemon has run it belongs
// to the daemon's user. Root must not write where another user could have put a
// link, nor leave files there that the daemon cannot write.
func stateOwner(layout paths.Layout) (uid, gid int, other bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	uid, gid, err := privdrop.Owner(layout.State(syscheckModule))
	return uid, gid, err == nil && uid != 0
}

// operateAs runs this command again as the user of the state, with the one
// capability the daemon has, and returns its exit code as an error.
func (p *program) operateAs(ctx context.Context, uid, gid int, layout paths.Layout) error {
	caps, err := privdrop.ParseCaps([]string{"CAP_DAC_READ_SEARCH"})
	if err != nil {
		return err
	}
	held, _ := privdrop.Held(caps) // in a container root may lack it: then it reads what it may
	starter, err := privdrop.NewStarter(privdrop.Plan{UID: uid, GID: gid, Limit: true, Caps: held})
	if err != nil {
		return err
	}
	defer starter.Close()
	self, err := procname.Self()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := &exec.Cmd{Path: self, Args: p.args, Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr}
	cmd.Env = append(systemd.Environ(), "HIDS_HOME="+layout.Home, envEvents+"=events")
	return p.collect(ctx, cmd, starter.Start, layout)
}

// collect starts cmd, writes its events to the event log and waits for its end.
func (p *program) collect(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error, layout paths.Layout) error {
	cfg, _ := config.Load(ctx, p.configOptions(layout)) // cmd tells the faults
	if cfg == nil {
		cfg = config.Default()
	}
	events, err := openEvents(layout, cfg)
	if err != nil {
		return err
	}
	defer events.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe for events: %w", err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	err = start(cmd)
	w.Close()
	if err != nil {
		return fmt.Errorf("start the command as the user of the state: %w", err)
	}
	// It has a process group of its own, so a terminal's Ctrl-C comes to us.
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { events.Collect(r, func(err error) { p.warn("event not logged: %v", err) }) })
	err = cmd.Wait()
	wg.Wait()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() >= 0 {
		return exitWith(ended.ExitCode())
	}
	return err
}

// eventSink is where the events of this command go: to whoever started it as
// another user, or to the event log.
func eventSink(layout paths.Layout, cfg *config.Config) (sink event.Sink, end io.Closer, err error) {
	files, err := inherit.Files(envEvents)
	if err != nil {
		return nil, nil, err
	}
	if f := files["events"]; f != nil {
		return eventlog.NewPipe(f), f, nil
	}
	events, err := openEvents(layout, cfg)
	if err != nil {
		return nil, nil, err
	}
	return events, events, nil
}
