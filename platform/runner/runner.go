// SPDX-License-Identifier: Apache-2.0

// Package runner starts one program and sees it to its end: no shell, a fixed
// environment, no descriptor or signal setting of this process, its own
// process group, a deadline after which the whole group dies, its output kept
// up to a limit. How many run at once, in which order, and what they are, is
// the caller's business.
package runner

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// OutputLimit is how many bytes of a program's output are kept. The rest is
// read and dropped, so that the program never waits for us.
const OutputLimit = 4 << 10

// graceTerm is what a program has between SIGTERM at its deadline and SIGKILL.
const graceTerm = 2 * time.Second

// Spec is what to run.
type Spec struct {
	Path     string   // the file that is executed, absolute
	Args     []string // argv, with argv[0]
	Env      []string
	Dir      string
	Input    []byte        // all of standard input; nil: /dev/null
	Talk     bool          // standard input stays open and is written with Say; excludes Input
	Deadline time.Duration // after this the group is told to end, then killed; 0: never
}

// Result is how a program ended.
type Result struct {
	ExitCode int           // 0 to 255; -1 when a signal ended it
	Signal   string        // "killed" …; "" when it exited
	TimedOut bool          // it was still running at its deadline
	Output   []byte        // the first OutputLimit bytes of both streams, as they came
	Cut      bool          // there was more
	Took     time.Duration // from start to end
}

// OK says that the program ended by itself with status 0.
func (r Result) OK() bool { return r.ExitCode == 0 && r.Signal == "" && !r.TimedOut }

// Process is a running program. Wait must be called exactly once.
type Process struct {
	proc    *os.Process
	out     *collector
	in      *os.File
	started time.Time
	limit   time.Duration
	disarm  func() // its deadline

	mu    sync.Mutex // guards ended: a process group is signalled only before its leader is reaped
	ended bool
	late  bool
}

// Start runs a program. It returns once the kernel has replaced the child by
// the program, or with the reason it did not: fs.ErrNotExist, fs.ErrPermission
// or another system error.
func Start(s Spec) (*Process, error) {
	out, err := takeCollector()
	if err != nil {
		return nil, fmt.Errorf("start program: %w", err)
	}
	stdin, ours, err := openInput(s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start program: %w", err), out.discard())
	}
	now := time.Now()
	proc, err := spawn(s, stdin, out.theirs)
	stdin.Close()
	out.theirs.Close()
	if err != nil {
		if ours != nil {
			ours.Close()
		}
		out.ours.Close()
		return nil, err
	}
	if s.Talk && s.Deadline > 0 { // a program that reads nothing must not hold up who talks to it
		_ = ours.SetWriteDeadline(now.Add(s.Deadline))
	}
	p := &Process{proc: proc, out: out, in: ours, started: now, limit: s.Deadline}
	p.disarm = p.armDeadline()
	go out.run()
	p.feed(s.Input)
	return p, nil
}

// openInput returns the program's end of standard input and, where something
// is to be written, ours.
func openInput(s Spec) (theirs, ours *os.File, err error) {
	if s.Input == nil && !s.Talk {
		f, err := os.Open(os.DevNull)
		return f, nil, err
	}
	return inputPipe()
}

// feed writes all of the input beside the program, which need not read it.
func (p *Process) feed(input []byte) {
	if p.in == nil || input == nil {
		return
	}
	go func() {
		_, _ = p.in.Write(input) // EPIPE: the program did not want it
		p.in.Close()
	}()
}

// PID is the program's process id and the id of its group.
func (p *Process) PID() int { return p.proc.Pid }

// Say writes to the standard input of a program that was started with Talk. What it
// has not read at its deadline is given up: os.ErrDeadlineExceeded.
func (p *Process) Say(b []byte) error {
	_, err := p.in.Write(b)
	return err
}

// Hush closes the standard input of a program that was started with Talk.
func (p *Process) Hush() { p.in.Close() }

// FirstLine waits for the program's first line of output, with its newline,
// and returns what there is when the program closes its output, writes more
// than OutputLimit without one, or d has passed.
func (p *Process) FirstLine(d time.Duration) []byte { return p.out.firstLine(d) }

// Wait waits for the program to end. Children it leaves behind are not waited
// for, and keep an output they can write to.
func (p *Process) Wait() Result {
	state, err := p.proc.Wait()
	p.mu.Lock()
	p.ended = true
	late := p.late
	p.mu.Unlock()
	p.disarm()
	if p.in != nil {
		p.in.Close() // a second Close is harmless
	}
	r := Result{ExitCode: -1, TimedOut: late, Took: time.Since(p.started)}
	r.Output, r.Cut = p.out.finish()
	spareCollector()
	if err == nil {
		r.ExitCode, r.Signal = exitStatus(state)
	}
	return r
}

// armDeadline ends the group at the deadline: first politely, so that a
// program can drop its locks, then for good.
func (p *Process) armDeadline() (stop func()) {
	if p.limit <= 0 {
		return func() {}
	}
	var kill *time.Timer
	term := time.AfterFunc(p.limit-time.Since(p.started), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.late = !p.ended
		p.signalLocked(terminate)
		kill = time.AfterFunc(graceTerm, p.Kill)
	})
	return func() {
		term.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		if kill != nil {
			kill.Stop()
		}
	}
}

// Kill ends the program's whole group now.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signalLocked(kill)
}

func (p *Process) signalLocked(sig groupSignal) {
	if !p.ended {
		signalGroup(p.proc, sig)
	}
}
