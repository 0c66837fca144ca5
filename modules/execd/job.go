// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"errors"
	"io/fs"
	"log/slog"
	"strconv"
	"time"

	"hids/modules/execd/blocks"
	"hids/modules/execd/request"
	"hids/modules/execd/response"
	"hids/platform/runner"
)

const (
	add    = "add"
	remove = "delete"
)

// job is one program to be run.
type job struct {
	lane   string // jobs with the same lane run one after the other; "": it has none
	action string // add or delete
	name   string // of the response
	words  []string
	wazuh  *request.Wazuh
	prog   program
	broken error // why prog can't be run
	by     string
	block  *blocks.Block // nil: nothing will be undone
	until  time.Time     // of the block, when the job was made
	again  bool          // it was run before and is put back
	done   chan struct{} // closed when it has ended; nil: nobody waits
}

func (j *job) undo() bool { return j.action == remove }

// size is about what a waiting job costs.
func (j *job) size() int {
	n := 512
	for _, w := range j.words {
		n += len(w) + 16
	}
	if j.wazuh != nil {
		n += len(j.wazuh.Alert) + len(j.wazuh.Extra)
	}
	return n
}

// environ is all that a program finds in its environment.
func (d *Daemon) environ(j *job) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LC_ALL=C", // the managers' decoder reads date(1) in English
		"HIDS_HOME=" + d.env.Layout.Home,
	}
	if j.prog.builtIn && j.block != nil && !j.undo() {
		env = append(env, response.UntilVariable+"="+strconv.FormatInt(j.until.Unix()+1, 10))
	}
	return env
}

func (d *Daemon) spec(j *job) runner.Spec {
	s := runner.Spec{
		Path: j.prog.exec, Args: j.prog.argv(j.action, j.words),
		Env: d.environ(j), Dir: "/", Deadline: d.deadline(),
	}
	if j.wazuh != nil {
		s.Input = j.wazuh.Input(j.action, j.prog.path, d.host)
		s.Talk = d.talks(j)
	}
	if s.Talk {
		s.Input = nil
	}
	return s
}

func (d *Daemon) deadline() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.policy.deadline
}

// run starts a job that has its place and sees to its end in another
// goroutine. It returns once the program is started.
func (d *Daemon) run(j *job) {
	if !d.begin(j) {
		d.dropped(j)
		d.leave(j)
		return
	}
	p, err := d.launch(j)
	if err != nil {
		d.notStarted(j, err)
		d.leave(j)
		return
	}
	d.stats.started.Add(1)
	d.markStarted(j)
	go d.attend(j, p)
}

// begin says whether a job is still wanted: not when execd stops before it
// could do anything. From here on its block has to be undone.
func (d *Daemon) begin(j *job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j.undo() {
		return true
	}
	if d.stopping || j.again && j.block.Ending {
		return false
	}
	if j.block != nil {
		j.block.Begun = true
		j.until = d.clock.Now().Add(d.store.Left(j.block)) // it may have gone on while it waited
	}
	return true
}

// dropped tells of a job that waited until it was no longer wanted. A block that is
// kept is put in force by the next execd, unless its time was over, and one that is
// put back was told of when it was made.
func (d *Daemon) dropped(j *job) {
	d.mu.Lock()
	silent := j.again || j.block != nil && d.policy.keepOnStop && !j.block.Ending
	d.mu.Unlock()
	if !silent {
		d.refused(subject{name: j.name, words: j.words, program: j.prog.path, by: j.by}, "execd stopped before its turn came")
	}
}

func (d *Daemon) launch(j *job) (process, error) {
	if j.broken != nil {
		return nil, j.broken
	}
	if j.undo() {
		d.keepMu.RLock() // not while the keeper puts this very block back
		defer d.keepMu.RUnlock()
	}
	return d.start(d.spec(j))
}

func (d *Daemon) markStarted(j *job) {
	if j.block == nil || j.undo() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store.Started(j.block)
	d.commit(false)
}

// notStarted ends a job whose program could not be run. A block that was never
// made is forgotten; one that could not be undone is tried again.
func (d *Daemon) notStarted(j *job, err error) {
	d.stats.failed.Add(1)
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		d.ossec(slog.LevelError, 1312, "Error executing '%s': %s", j.prog.path, sentence(path.Err))
	} else {
		d.log.Error("response can't be run", "path", j.prog.path, "err", err)
	}
	d.ran(j, 0, runner.Result{}, err)
	d.settle(j, runner.Result{ExitCode: -1}, err)
}

// sentence writes a system error as C's strerror does, with a capital.
func sentence(err error) string {
	s := []rune(err.Error())
	if len(s) > 0 && s[0] >= 'a' && s[0] <= 'z' {
		s[0] -= 'a' - 'A'
	}
	return string(s)
}

// attend sees a program to its end.
func (d *Daemon) attend(j *job, p process) {
	if d.talks(j) {
		d.talk(j, p)
	}
	r := p.Wait()
	if why := failure(r, nil); why != "" {
		d.stats.failed.Add(1)
		if r.TimedOut {
			d.stats.timedOut.Add(1)
		}
		d.log.Warn("response failed", "path", j.prog.path, "action", j.action, "reason", why, "output", string(r.Output))
	} else if len(r.Output) > 0 {
		d.log.Info("response said", "path", j.prog.path, "action", j.action, "output", string(r.Output), "cut", r.Cut)
	}
	d.ran(j, p.PID(), r, nil)
	d.settle(j, r, nil)
	d.leave(j)
}

// settle enters in the table what a run has come to.
func (d *Daemon) settle(j *job, r runner.Result, notStarted error) {
	if j.block == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case j.undo() && undone(j, r, notStarted):
		d.stats.undone.Add(1)
		d.store.Remove(j.block)
		// No flush: after the end of the machine it would be undone once more,
		// which takes nothing away.
		d.commit(false)
	case j.undo():
		d.stats.undoFailed.Add(1)
		d.store.Retry(j.block, backOff(j.block.Failures))
	case notStarted != nil && !j.again:
		d.store.Remove(j.block)
		d.save()
	case notStarted == nil && j.block.Count > 1 && !j.block.Ending && (!j.prog.builtIn || r.OK()):
		d.renewEnd(j.block) // it went on while its program ran, which may have told an earlier end
	case notStarted == nil && j.prog.builtIn && !r.OK() && !r.TimedOut && !j.block.Ending:
		// It says that it did not work: the next request shall try again, and
		// what was done of it is undone now.
		d.store.End(j.block)
		d.save()
	}
	d.rearm()
}

// undone says whether a block is gone. OSSEC's own programs have no true exit
// codes (disable-account always ends with 1), so only ours are believed.
func undone(j *job, r runner.Result, notStarted error) bool {
	return notStarted == nil && !r.TimedOut && (!j.prog.builtIn || r.OK())
}

// The pause before undoing is tried again.
const (
	firstRetry = 2 * time.Second
	lastRetry  = time.Hour
)

func backOff(failures int) time.Duration {
	return min(firstRetry<<min(failures, 20), lastRetry)
}

// leave gives a job's place to the next ones.
func (d *Daemon) leave(j *job) {
	if j.done != nil {
		close(j.done)
	}
	for _, next := range d.lanes.leave(j) {
		go d.run(next)
	}
}

// rearm makes the clock look at the table again.
func (d *Daemon) rearm() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
