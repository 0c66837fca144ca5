// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hids/config"
	"hids/modules"
	"hids/platform/privdrop"
	"hids/platform/procname"
	"hids/platform/service"
	"hids/platform/socketpair"
)

// envFiles tells a process that it is a module's, and names its descriptors
// from 3 on.
const envFiles = "HIDS_MODULE_FILES"

// leftBehind is how long, after the last process has ended, what it wrote may
// take to be read.
const leftBehind = 5 * time.Second

// launcher starts modules' processes.
type launcher struct {
	o     Options
	keep  *keep
	ids   map[string]identity
	pumps sync.WaitGroup

	mu       sync.Mutex // guards what follows
	starters []*privdrop.Starter
	reading  map[*os.File]bool // what the pumps read
	events   map[string]*counts
}

// counts returns the counts of a module's events.
func (l *launcher) counts(module string) *counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		l.events = map[string]*counts{}
	}
	if l.events[module] == nil {
		l.events[module] = &counts{}
	}
	return l.events[module]
}

// lineCounter counts the lines that are read through it.
type lineCounter struct {
	io.Reader
	n *atomic.Int64
}

func (c lineCounter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(bytes.Count(b[:n], []byte{'\n'})))
	return n, err
}

// close waits until everything the processes have written is where it belongs.
// All processes must have ended; a program that one of them has left behind
// may still hold a pipe and is not waited for long.
func (l *launcher) close() {
	cut := time.AfterFunc(leftBehind, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for f := range l.reading {
			_ = f.SetReadDeadline(time.Unix(1, 0))
		}
	})
	defer cut.Stop()
	l.pumps.Wait()
	for _, s := range l.starters {
		s.Close()
	}
}

// pump runs read, which reads f to its end, and closes f.
func (l *launcher) pump(f *os.File, read func(io.Reader)) {
	l.mu.Lock()
	l.reading[f] = true
	l.mu.Unlock()
	l.pumps.Go(func() {
		read(f)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.reading, f)
		_ = f.Close()
	})
}

// processName is what a module is called in ps(1) and in log lines.
func (l *launcher) processName(m modules.Module) string {
	switch {
	case !l.o.OSSEC:
		return "hids-" + m.Name
	case m.Alias == "": // OSSEC's rootcheck has a name of its own in the log, too
		return "ossec-" + m.Name
	}
	return m.Alias
}

// starter returns how a process of m is started. The thread that limits its
// privileges is made with the first.
func (l *launcher) starter(m modules.Module) starter {
	var drop *privdrop.Starter
	return func(cfg *config.Config) (process, error) {
		if drop == nil {
			s, err := privdrop.NewStarter(l.ids[m.Name].plan)
			if err != nil {
				return nil, err
			}
			drop = s
			l.mu.Lock()
			l.starters = append(l.starters, s)
			l.mu.Unlock()
		}
		return l.start(m, drop, cfg)
	}
}

func (l *launcher) start(m modules.Module, drop *privdrop.Starter, cfg *config.Config) (process, error) {
	p, pipes, err := l.prepare(m)
	if err != nil {
		return nil, errors.Join(err, pipes.closeAll())
	}
	if err := drop.Start(p.cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start process: %w", err), pipes.closeAll())
	}
	err = pipes.closeTheirs()
	l.carry(m, pipes)
	go p.read()
	err = errors.Join(err, p.send(message{Kind: kindStart, Config: cfg, Start: &startInfo{
		Module: m.Name, Process: l.processName(m), Layout: l.o.Layout, Host: l.o.Host,
		Format: l.o.LogFormat, Debug: l.o.Debug, Umask: umaskOf(m),
	}}))
	if err != nil {
		l.o.Log.Warn("module did not take its configuration", "module", m.Name, "err", err)
	}
	return p, nil // it will end by itself, and say why
}

// umaskOf is 027, but OSSEC's 022 for a module that runs others' programs as
// root: what those write (/etc/hosts.deny, say) everybody must be able to read.
func umaskOf(m modules.Module) int {
	if m.Privileges.Root {
		return 0o022
	}
	return 0o027
}

// pipes are the ways from a module's process: ours are read here, theirs are
// inherited.
type pipes struct {
	log, events, stderr *os.File
	conn                net.Conn
	theirs              []*os.File
}

func (p *pipes) add() (ours *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.theirs = append(p.theirs, w)
	return r, nil
}

func (p *pipes) closeTheirs() error {
	var errs []error
	for _, f := range p.theirs {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (p *pipes) closeAll() error {
	err := p.closeTheirs()
	for _, f := range []*os.File{p.log, p.events, p.stderr} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if p.conn != nil {
		err = errors.Join(err, p.conn.Close())
	}
	return err
}

// prepare makes the command and everything it inherits.
func (l *launcher) prepare(m modules.Module) (*child, *pipes, error) {
	p := &pipes{}
	self, err := procname.Self()
	if err != nil {
		return nil, p, fmt.Errorf("find own program: %w", err)
	}
	conn, theirs, err := socketpair.New()
	if err != nil {
		return nil, p, fmt.Errorf("make link: %w", err)
	}
	p.conn, p.theirs = conn, []*os.File{theirs}
	for _, ours := range []**os.File{&p.log, &p.events, &p.stderr} {
		if *ours, err = p.add(); err != nil {
			return nil, p, fmt.Errorf("make pipe: %w", err)
		}
	}
	name := l.processName(m)
	cmd := &exec.Cmd{Path: self, Args: []string{name}, Dir: "/", Stderr: p.theirs[3], ExtraFiles: p.theirs[:3:3]}
	names := []string{"link", "log", "events"}
	files := l.keep.files[m.Name]
	for _, n := range slices.Sorted(maps.Keys(files)) {
		names = append(names, n)
		cmd.ExtraFiles = append(cmd.ExtraFiles, files[n])
	}
	cmd.Env = append(service.Environ(), envFiles+"="+strings.Join(names, ":"))
	c := &child{link: link{conn: conn}, cmd: cmd, said: make(chan message)}
	return c, p, nil
}

// carry takes what the process writes to where it belongs: its log lines as
// they are, its events to the event log, and what the Go runtime has to say
// when it panics.
func (l *launcher) carry(m modules.Module, p *pipes) {
	log := l.o.Log.With("module", m.Name)
	l.pump(p.log, func(r io.Reader) {
		lines(r, func(line []byte) { _, _ = l.o.Output.Write(line) })
	})
	l.pump(p.stderr, func(r io.Reader) {
		lines(r, func(line []byte) {
			log.Error("module wrote to its standard error", "text", strings.TrimSuffix(string(line), "\n"))
		})
	})
	c := l.counts(m.Name)
	l.pump(p.events, func(r io.Reader) {
		l.keep.log.Collect(lineCounter{r, &c.events}, func(err error) {
			c.lost.Add(1)
			log.Error("event not logged", "err", err)
		})
	})
}

// lines calls f for every line of r with its newline. A very long one comes in
// pieces.
func lines(r io.Reader, f func([]byte)) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			if line[len(line)-1] != '\n' {
				line = append(slices.Clip(line), '\n')
			}
			f(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// child is a running process of a module.
type child struct {
	link
	cmd  *exec.Cmd
	said chan message
	end  error // set before said is closed
}

func (c *child) pid() int                 { return c.cmd.Process.Pid }
func (c *child) messages() <-chan message { return c.said }
func (c *child) result() error            { return c.end }
func (c *child) kill()                    { _ = c.cmd.Process.Kill() }

// read hands on what the process says until it has ended.
func (c *child) read() {
	defer close(c.said)
	err := c.receive(maxMessage, func(m message) { c.said <- m })
	if err != nil {
		c.kill() // it does not speak our language
	}
	c.end = c.cmd.Wait()
	_ = c.conn.Close()
	if err != nil {
		c.end = errors.Join(err, c.end)
	}
}
