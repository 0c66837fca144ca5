// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hids/config"
	"hids/modules"
	"hids/modules/all"
	"hids/modules/supervisor"
	"hids/platform/daemon"
	"hids/platform/inherit"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/procname"
	"hids/platform/signals"
)

// service is what runs as a daemon.
type service struct {
	name    string // of the process, the pid file and the log lines
	modules []modules.Module
	ossec   bool // with OSSEC's conventions and exit codes

	foreground bool
	testOnly   bool
	group      string
}

func (p *program) runCommand() *cobra.Command {
	s := &service{name: "hids"}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run every module that is switched on",
		Long: `Run every module that is switched on, each in a process of its own with no
more rights than it needs. The command returns when all are ready, or tells why
one is not.

SIGHUP and "hids reload" read the configuration again. SIGTERM stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.modules = all.List()
			return p.serve(cmd.Context(), s)
		},
	}
	s.addFlags(cmd)
	return cmd
}

// addFlags gives a command the flags of a daemon.
func (s *service) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&s.foreground, "foreground", "f", false, "stay in the foreground and log to standard error, too")
	f.BoolVarP(&s.testOnly, "test", "t", false, "check the configuration and end")
	f.StringVarP(&s.group, "group", "g", "", "group that the modules run as, and that may ask them (default that of the module)")
}

// serveModule runs one module under a supervisor of its own.
func (p *program) serveModule(ctx context.Context, s *service, module string) error {
	s.name, s.modules = "hids-"+module, all.Named(module)
	return p.serve(ctx, s)
}

// serve checks the configuration, or runs the daemon in the foreground, or
// starts it and waits until it is ready.
func (p *program) serve(ctx context.Context, s *service) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	if p.configFile != "" {
		if p.configFile, err = filepath.Abs(p.configFile); err != nil {
			return usageError("%w", err)
		}
	}
	waiting := daemon.Inherited()
	if waiting == nil && !s.foreground && !s.testOnly {
		code, err := daemon.Spawn(p.args)
		if err != nil {
			return err
		}
		return exitWith(code)
	}
	r := p.newRunner(s, layout)
	if s.testOnly {
		return r.test(ctx)
	}
	return r.run(ctx, waiting)
}

// runner is one run of a daemon.
type runner struct {
	p      *program
	s      *service
	layout paths.Layout
	out    *logging.Output
	log    *slog.Logger
}

func (p *program) newRunner(s *service, layout paths.Layout) *runner {
	r := &runner{p: p, s: s, layout: layout}
	r.out = logging.NewOutput(logging.File{Path: layout.DaemonLog()}, p.stderr)
	o := logging.Options{Name: s.name}
	if p.debug > 0 {
		o.Level = slog.LevelDebug
	}
	r.log = slog.New(logging.New(r.out, logging.Format(p.format), o))
	return r
}

// test is -t: silence when all is good.
func (r *runner) test(ctx context.Context) error {
	o := r.options(ctx)
	if err := supervisor.Check(o); err != nil {
		return r.failed(err)
	}
	return nil
}

func (r *runner) run(ctx context.Context, waiting *daemon.Waiting) error {
	ctx, stop := signals.Stop(ctx)
	defer stop()
	reload, cancel := signals.Reload()
	defer cancel()
	if err := r.settle(waiting != nil); err != nil {
		return r.failed(err)
	}
	o := r.options(ctx)
	o.Reload = reload
	if waiting != nil {
		o.Ready = func() error {
			r.out.Detach()
			return waiting.Done()
		}
	}
	err := supervisor.Run(ctx, o)
	switch {
	case errors.Is(err, supervisor.ErrNothingEnabled):
		r.sayNothingEnabled()
		return nil
	case errors.Is(err, supervisor.ErrStopped):
		return r.stopped()
	}
	return r.failed(err)
}

// settle makes this process a daemon's.
func (r *runner) settle(background bool) error {
	if err := procname.Set(r.s.name); err != nil {
		r.log.Debug("process name not set", "err", err)
	}
	if err := inherit.Confine(0o027); err != nil {
		return err
	}
	if background {
		return os.Chdir("/") // keep no file system busy
	}
	return nil
}

func (r *runner) options(ctx context.Context) supervisor.Options {
	return supervisor.Options{
		Name: r.s.name, Version: version, Modules: r.s.modules, Layout: r.layout,
		Load: func() (*config.Config, error) { return r.load(ctx) },
		Log:  r.log, Output: r.out, LogFormat: logging.Format(r.p.format), Debug: r.p.debug > 0,
		OSSEC: r.s.ossec, Group: r.s.group,
	}
}

// load reads the configuration and logs every fault.
func (r *runner) load(ctx context.Context) (*config.Config, error) {
	o := r.p.configOptions(r.layout)
	cfg, faults := config.Load(ctx, o)
	for _, f := range faults {
		level := slog.LevelWarn
		if f.Fatal {
			level = slog.LevelError
		}
		at := f.Pos.String()
		r.log.Log(ctx, level, at+": "+f.Message, hint(f.Hint)...)
	}
	if cfg == nil {
		err := fmt.Errorf("the configuration can't be used: %d faults", len(faults))
		return nil, failWith(exitUsage, err)
	}
	if len(cfg.Files) == 0 && !r.s.testOnly {
		r.log.Info("there is no configuration file; the built-in configuration is used", "folder", r.layout.Join("etc"))
	}
	return cfg, nil
}

func hint(h string) []any {
	if h == "" {
		return nil
	}
	return []any{"hint", h}
}

// failed logs why the daemon does not run and returns the exit code.
func (r *runner) failed(err error) error {
	coded, isConfig := errors.AsType[*codedError](err)
	switch {
	case r.s.ossec && isConfig:
		r.log.Error(fmt.Sprintf("Configuration error at '%s'. Exiting.", r.p.configOptions(r.layout).OssecConf), logging.ID(1202))
	default:
		r.log.Error(err.Error())
	}
	switch {
	case r.s.ossec:
		return exitWith(1)
	case isConfig:
		return exitWith(coded.code)
	}
	return exitWith(exitPartial)
}

// stopped is the end that was asked for. OSSEC's daemons end with 1 then.
func (r *runner) stopped() error {
	if !r.s.ossec {
		r.log.Info("stopped")
		return nil
	}
	if r.s.name != "ossec-execd" { // execd says it itself, after its last response
		r.log.Info("SIGNAL Received. Exit Cleaning...", logging.ID(1225))
	}
	return exitWith(1)
}

func (r *runner) sayNothingEnabled() {
	if r.s.ossec && r.s.name == "ossec-execd" {
		r.log.Info("Active response disabled. Exiting.", logging.ID(1350))
		return
	}
	r.log.Info("every module is switched off; nothing to do")
}
