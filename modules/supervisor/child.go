// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event/eventlog"
	"hids/platform/confine"
	"hids/platform/control"
	"hids/platform/inherit"
	"hids/platform/logging"
	"hids/platform/procname"
	"hids/platform/signals"
)

// IsChild reports whether a supervisor has started this process to run a module.
func IsChild() bool { return os.Getenv(envFiles) != "" }

// Child runs the module that the supervisor asks for and returns the exit
// code: 0 after it was told to stop. Modules are those it may ask for. It
// ends when the supervisor does.
func Child(mods []modules.Module) int {
	files, err := inherit.Files(envFiles)
	var m *member
	if err == nil {
		m, err = newMember(files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // the supervisor logs it
		return 1
	}
	signals.Swallow()
	if err := m.main(mods); err != nil {
		_ = m.send(message{Kind: kindFailed, Error: err.Error()})
		return 1
	}
	return 0
}

// member is the process of one module.
type member struct {
	link
	files  map[string]*os.File
	log    *slog.Logger
	daemon modules.Daemon
}

func newMember(files map[string]*os.File) (*member, error) {
	for _, name := range []string{"link", "log", "events", fileControl} {
		if files[name] == nil {
			return nil, fmt.Errorf("%s lacks %q: only a supervisor sets it", envFiles, name)
		}
	}
	conn, err := net.FileConn(files["link"])
	if err = errors.Join(err, files["link"].Close()); err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	return &member{link: link{conn: conn}, files: files}, nil
}

func (m *member) main(mods []modules.Module) error {
	signalled, stop := signals.Stop(context.Background())
	defer stop()
	ctx, cancel := context.WithCancelCause(signalled)
	defer cancel(nil)
	go func() {
		<-signals.Orphaned()
		cancel(modules.ErrSupervisorGone)
	}()
	first := make(chan message)
	later := make(chan message)
	go m.listen(first, later, cancel)
	var start message
	select {
	case start = <-first:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := m.build(mods, start); err != nil {
		return err
	}
	return m.run(ctx, later)
}

// listen reads what the supervisor says. Its end, or that it says stop, ends
// the module.
func (m *member) listen(first, later chan<- message, cancel context.CancelCauseFunc) {
	defer cancel(modules.ErrSupervisorGone)
	_ = m.receive(1<<30, func(msg message) { // it is trusted, and configurations may be large
		switch msg.Kind {
		case kindStart:
			first <- msg
		case kindReload:
			later <- msg
		case kindPing:
			_ = m.send(message{Kind: kindPong})
		case kindStop:
			cancel(nil)
		}
	})
}

// build makes the module's environment and the module.
func (m *member) build(mods []modules.Module, start message) error {
	info := start.Start
	mod, err := pick(mods, info.Module)
	if err == nil {
		err = inherit.Confine(info.Umask)
	}
	if err != nil {
		return err
	}
	_ = procname.Set(info.Process) // cosmetic; without /proc there is no ps either
	o := logging.Options{Name: info.Process}
	if info.Debug {
		o.Level = slog.LevelDebug
	}
	m.log = slog.New(logging.New(m.files["log"], info.Format, o))
	if mod.Privileges.Confined {
		m.confine(info)
	}
	m.daemon, err = mod.New(modules.Env{
		Config: start.Config, Layout: info.Layout, Host: info.Host, Log: m.log,
		Events: eventlog.NewPipe(m.files["events"]),
		Files:  m.pass(mod.Files),
		Ready:  sync.OnceFunc(func() { _ = m.send(message{Kind: kindReady}) }),
	})
	return err
}

// confine takes away what the user of a module could still do. Where that can't
// be had the user is all that limits it.
func (m *member) confine(info *startInfo) {
	err := confine.Writes([]string{info.Layout.State(info.Module)}, []string{info.Layout.RunDir()})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		m.log.Info("only its user limits what the module may write", "module", info.Module, "err", err)
	case err != nil:
		m.log.Warn("only its user limits what the module may write", "module", info.Module, "err", err)
	}
}

func pick(mods []modules.Module, name string) (modules.Module, error) {
	for _, m := range mods {
		if m.Name == name {
			return m, nil
		}
	}
	return modules.Module{}, fmt.Errorf("this program has no module %q", name)
}

// pass returns the files the module asks for.
func (m *member) pass(names []string) map[string]*os.File {
	files := map[string]*os.File{}
	for _, n := range names {
		files[n] = m.files[n]
	}
	return files
}

// run serves until the module ends.
func (m *member) run(ctx context.Context, later <-chan message) error {
	side, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { m.answer(side) })
	wg.Go(func() { m.reloads(side, later) })
	last := context.AfterFunc(ctx, func() {
		// A module that hangs must not outlive its supervisor, which would
		// have killed it by now.
		time.AfterFunc(2*stopTimeout, func() { os.Exit(1) })
	})
	err := m.daemon.Run(ctx)
	last()
	end()
	wg.Wait()
	if err == nil && ctx.Err() == nil {
		err = errors.New("ended by itself")
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// answer serves the module's control socket.
func (m *member) answer(ctx context.Context) {
	l, err := net.FileListener(m.files[fileControl])
	if err = errors.Join(err, m.files[fileControl].Close()); err != nil {
		m.log.Error("control socket failed", "err", err)
		return
	}
	h := http.NotFoundHandler()
	if c, ok := m.daemon.(modules.Controller); ok {
		h = c.Control()
	}
	if err := control.Serve(ctx, l, h, m.log); err != nil {
		m.log.Error("control socket failed", "err", err)
	}
}

// reloads hands new configurations to the module, one after the other.
func (m *member) reloads(ctx context.Context, later <-chan message) {
	for {
		select {
		case <-ctx.Done():
			return
		case msg := <-later:
			_ = m.send(m.reload(ctx, msg.Config))
		}
	}
}

func (m *member) reload(ctx context.Context, cfg *config.Config) message {
	answer := message{Kind: kindReloaded}
	r, ok := m.daemon.(modules.Reloader)
	if !ok {
		answer.Unsupported = true
		return answer
	}
	if err := r.Reload(ctx, cfg); err != nil {
		answer.Error = err.Error()
	}
	return answer
}
