// SPDX-License-Identifier: Apache-2.0

//go:build linux

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"hids/config"
	"hids/modules"
	"hids/modules/event"
	"hids/platform/control"
)

// The configuration of a probe is Settings.Queue, one of these.
const (
	modeFine    = "fine"
	modeBadNew  = "bad new"
	modeRestart = "restart" // can't reload
	modeRefuse  = "refuse"  // as a reload: refused
	modeOff     = "off"
)

// probe is a module that does what its control socket says.
func probe() modules.Module {
	return modules.Module{
		Name: "probe", Alias: "ossec-probe", Files: []string{fileExecq},
		Privileges: modules.Privileges{Root: true},
		Enabled:    func(c *config.Config) bool { return c.Settings.Queue != modeOff },
		New:        newProbe,
	}
}

type probeDaemon struct {
	env  modules.Env
	conn net.PacketConn
	mu   sync.Mutex
	mode string
	got  []string // datagrams

	numbers string // what it tells instead of its own
}

func (d *probeDaemon) metrics() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.numbers != "" {
		return d.numbers
	}
	return fmt.Sprintf("# TYPE hids_probe_datagrams_total counter\nhids_probe_datagrams_total %d\n", len(d.got))
}

// reloadable adds Reload: a Daemon that has it can't lack it.
type reloadable struct{ *probeDaemon }

func newProbe(env modules.Env) (modules.Daemon, error) {
	mode := env.Config.Settings.Queue
	if mode == modeBadNew {
		return nil, errors.New("no such queue")
	}
	c, err := net.FilePacketConn(env.Files[fileExecq])
	if err != nil {
		return nil, err
	}
	d := &probeDaemon{env: env, conn: c, mode: mode}
	if mode == modeRestart {
		return d, nil
	}
	return reloadable{d}, nil
}

func (d *probeDaemon) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = d.conn.Close() })
	defer stop()
	d.env.Log.Info("probe runs", "mode", d.mode)
	if err := d.env.Events.Emit(ctx, &event.Event{Message: "probe runs", Event: event.Meta{Module: "probe"}}); err != nil {
		return err
	}
	d.env.Ready()
	buf := make([]byte, 1024)
	for {
		n, _, err := d.conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.got = append(d.got, string(buf[:n]))
		d.mu.Unlock()
	}
}

func (d reloadable) Reload(_ context.Context, cfg *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cfg.Settings.Queue == modeRefuse {
		return errors.New("the probe refuses")
	}
	d.mode = cfg.Settings.Queue
	return nil
}

// probed is what a probe tells of itself.
type probed struct {
	PID, UID, GID int
	Groups        []int
	Comm, Mode    string
	Status        map[string]string // of /proc/self/status
	Got           []string
	Read, Write   string // errors of trying the files asked about
	Files         []string
	Env           []string
}

func (d *probeDaemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /self", func(w http.ResponseWriter, r *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.self(r.FormValue("read"), r.FormValue("write")))
	})
	// What is asked for is what a taken-over module might say.
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(d.metrics())) })
	mux.HandleFunc("PUT /metrics", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		_ = json.Unmarshal(text, &d.numbers)
	})
	mux.HandleFunc("POST /panic", func(http.ResponseWriter, *http.Request) {
		go panic("told to")
	})
	return mux
}

func (d *probeDaemon) self(read, write string) probed {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := probed{
		PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid(), Mode: d.mode,
		Got: slices.Clone(d.got), Env: os.Environ(), Status: map[string]string{},
	}
	p.Groups, _ = os.Getgroups()
	comm, _ := os.ReadFile("/proc/self/comm")
	p.Comm = strings.TrimSpace(string(comm))
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		p.Status[k] = strings.TrimSpace(v)
	}
	if _, err := os.ReadFile(read); err != nil {
		p.Read = err.Error()
	}
	if f, err := os.OpenFile(write, os.O_WRONLY, 0); err != nil {
		p.Write = err.Error()
	} else {
		_ = f.Close()
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		p.Files = append(p.Files, target)
	}
	return p
}
