// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"slices"
	"sync"
)

// Limits on what waits. Undoing is never refused.
const (
	maxWaiting      = 16384
	maxWaitingBytes = 32 << 20
)

// Above these, jobs that wait for a place and nothing else are a crowd: others
// may as well wait on disk. They are far more than run at once, so that no place
// is ever free for want of a job. What waits in a lane does not count: a program
// that hangs must not hold up those for other targets.
const (
	crowdJobs  = 256
	crowdBytes = 4 << 20
)

// lanes decides when a job may start: one at a time for each key, so many at
// once over all, undoing before doing. It starts nothing itself: who enters or
// leaves gets the jobs that may start now.
type lanes struct {
	mu      sync.Mutex // guards all
	limit   int
	most    int // jobs that may wait; a batch of requests may go beyond it
	crowd   int // jobs in do that are a crowd
	running int
	waiting int // jobs, in a lane or for a place
	bytes   int
	byKey   map[string]*lane
	undo    fifo // ready but for a place
	do      fifo
	undoing int           // jobs that undo, waiting and running
	undone  chan struct{} // closed when there are none of them; nil: nobody asked
	eased   chan struct{} // closed when half of the crowd is gone; nil: nobody asked
}

type lane struct{ next []*job }

// fifo is a queue that holds no more memory than twice what is in it, and none
// when it is empty.
type fifo struct {
	jobs  []*job
	head  int
	bytes int
}

func (f *fifo) len() int { return len(f.jobs) - f.head }

func (f *fifo) push(j *job) {
	if f.head > len(f.jobs)/2 { // in a flood it is never empty
		n := copy(f.jobs, f.jobs[f.head:])
		clear(f.jobs[n:])
		f.jobs, f.head = f.jobs[:n], 0
	}
	f.jobs = append(f.jobs, j)
	f.bytes += j.size()
}

func (f *fifo) pop() *job {
	if f.head == len(f.jobs) {
		return nil
	}
	j := f.jobs[f.head]
	f.jobs[f.head] = nil
	f.head++
	f.bytes -= j.size()
	if f.head == len(f.jobs) {
		f.jobs, f.head = nil, 0
	}
	return j
}

func newLanes(limit int) *lanes {
	return &lanes{limit: limit, most: maxWaiting, crowd: crowdJobs, byKey: map[string]*lane{}}
}

// setLimit changes how many may run at once, and returns the jobs that the caller
// shall start now.
func (l *lanes) setLimit(n int) []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = n
	return l.ready()
}

// full says that a new request has to be refused.
func (l *lanes) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting >= l.most || l.bytes >= maxWaitingBytes
}

func (l *lanes) count() (running, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, l.waiting
}

// enter takes a job in and says whether the caller shall start it now.
func (l *lanes) enter(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	l.bytes += j.size()
	if j.undo() {
		l.undoing++
	}
	if j.lane != "" {
		if ln := l.byKey[j.lane]; ln != nil {
			ln.next = append(ln.next, j)
			return false
		}
		l.byKey[j.lane] = &lane{}
	}
	return l.place(j)
}

// place gives a job the right to run, or queues it for one.
func (l *lanes) place(j *job) bool {
	if l.running < l.room(j) {
		l.admit(j)
		return true
	}
	if j.undo() {
		l.undo.push(j)
	} else {
		l.do.push(j)
	}
	return false
}

// room is how many may run for this job to start. Undoing has as many places
// again, so that programs that hang on doing can't hold it up.
func (l *lanes) room(j *job) int {
	if j.undo() {
		return 2 * l.limit
	}
	return l.limit
}

func (l *lanes) admit(j *job) {
	l.running++
	l.waiting--
	l.bytes -= j.size()
}

// leave is called when a job has ended. It returns the jobs that the caller
// shall start now.
func (l *lanes) leave(j *job) []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if j.lane != "" {
		l.advance(j.lane)
	}
	ready := l.ready()
	if j.undo() {
		l.undoing--
		l.tellUndone()
	}
	return ready
}

// ready admits jobs to the places that are free.
func (l *lanes) ready() []*job {
	ready := l.fill(nil, &l.undo, 2*l.limit)
	ready = l.fill(ready, &l.do, l.limit)
	if l.eased != nil && l.easy() {
		close(l.eased)
		l.eased = nil
	}
	return ready
}

func (l *lanes) fill(ready []*job, from *fifo, room int) []*job {
	for l.running < room {
		next := from.pop()
		if next == nil {
			break
		}
		l.admit(next)
		ready = append(ready, next)
	}
	return ready
}

// dismiss takes out all jobs that wait and do something. Those that undo no longer
// wait for them: the caller shall start the ready ones now.
func (l *lanes) dismiss() (dismissed, ready []*job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for j := l.do.pop(); j != nil; j = l.do.pop() {
		dismissed = append(dismissed, j)
		if j.lane != "" {
			l.advance(j.lane)
		}
	}
	for _, ln := range l.byKey {
		ln.next = slices.DeleteFunc(ln.next, func(j *job) bool {
			if !j.undo() {
				dismissed = append(dismissed, j)
			}
			return !j.undo()
		})
	}
	for _, j := range dismissed {
		l.waiting--
		l.bytes -= j.size()
	}
	return dismissed, l.ready()
}

// advance moves a lane's next job to the queue for a place.
func (l *lanes) advance(key string) {
	ln := l.byKey[key]
	if len(ln.next) == 0 {
		delete(l.byKey, key)
		return
	}
	next := ln.next[0]
	ln.next[0] = nil
	ln.next = ln.next[1:]
	if next.undo() {
		l.undo.push(next)
	} else {
		l.do.push(next)
	}
}

// crowded says that a new request would only wait.
func (l *lanes) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.do.len() >= l.crowd || l.do.bytes >= crowdBytes
}

func (l *lanes) easy() bool { return l.do.len() <= l.crowd/2 && l.do.bytes <= crowdBytes/2 }

// awaitRoom returns true when there is no crowd any more, false when ctx ends.
func (l *lanes) awaitRoom(ctx context.Context) bool {
	l.mu.Lock()
	eased := l.eased
	if l.easy() {
		l.mu.Unlock()
		return true
	}
	if eased == nil {
		eased = make(chan struct{})
		l.eased = eased
	}
	l.mu.Unlock()
	select {
	case <-eased:
		return true
	case <-ctx.Done():
		return false
	}
}

// whenUndone returns a channel that is closed once no job that undoes waits or
// runs.
func (l *lanes) whenUndone() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.undone == nil {
		l.undone = make(chan struct{})
	}
	undone := l.undone
	l.tellUndone()
	return undone
}

func (l *lanes) tellUndone() {
	if l.undone != nil && l.undoing == 0 {
		close(l.undone)
		l.undone = nil
	}
}
