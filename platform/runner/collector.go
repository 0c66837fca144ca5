// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"
)

// collector reads a program's output to its end, which is when nobody holds
// the other end: a daemon that a program left behind keeps writing to somebody
// and neither gets SIGPIPE nor waits.
type collector struct {
	ours, theirs *os.File

	drained chan struct{} // closed once all that was there at sweep is kept
	eof     chan struct{} // closed when nobody can write any more

	mu   sync.Mutex // guards what follows
	kept []byte
	cut  bool
	news chan struct{} // closed, and replaced, when kept grows
}

// spare is a collector made ahead, after a program's end, so that the next
// program need not wait for the system calls.
var spare = make(chan *collector, 1)

// takeCollector returns the spare one, or a new one.
func takeCollector() (*collector, error) {
	select {
	case c := <-spare:
		return c, nil
	default:
		return newCollector()
	}
}

// spareCollector sees that there is a spare one. Without it the next start makes
// its own, and reports what is wrong.
func spareCollector() {
	if len(spare) == cap(spare) {
		return
	}
	c, err := newCollector()
	if err != nil {
		return
	}
	select {
	case spare <- c:
	default:
		_ = c.discard()
	}
}

func newCollector() (*collector, error) {
	ours, theirs, err := outputPipe()
	if err != nil {
		return nil, err
	}
	return &collector{
		ours: ours, theirs: theirs,
		drained: make(chan struct{}), eof: make(chan struct{}), news: make(chan struct{}),
	}, nil
}

func (c *collector) discard() error {
	return errors.Join(c.ours.Close(), c.theirs.Close())
}

func (c *collector) run() {
	defer close(c.eof)
	defer c.ours.Close()
	buf := make([]byte, OutputLimit)
	for {
		n, err := c.ours.Read(buf)
		c.keep(buf[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.sweep(buf)
			continue
		}
		if err != nil {
			return // io.EOF; nothing else can be helped either
		}
	}
}

// sweep reads what is there without waiting: the program has ended, so this is
// all that it wrote itself.
func (c *collector) sweep(buf []byte) {
	_ = c.ours.SetReadDeadline(time.Time{})
	for {
		n, err := readNow(c.ours, buf)
		if n <= 0 || err != nil {
			break
		}
		c.keep(buf[:n])
	}
	close(c.drained)
}

func (c *collector) keep(b []byte) {
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	room := OutputLimit - len(c.kept)
	c.cut = c.cut || len(b) > room
	c.kept = append(c.kept, b[:min(len(b), room)]...)
	close(c.news)
	c.news = make(chan struct{})
}

func (c *collector) state() (kept []byte, cut bool, news <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept, c.cut, c.news
}

// finish returns what a program that has ended wrote.
func (c *collector) finish() ([]byte, bool) {
	_ = c.ours.SetReadDeadline(time.Unix(1, 0))
	select {
	case <-c.drained:
	case <-c.eof:
	}
	kept, cut, _ := c.state()
	return kept, cut
}

func (c *collector) firstLine(d time.Duration) []byte {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	for {
		kept, cut, news := c.state()
		if i := bytes.IndexByte(kept, '\n'); i >= 0 {
			return kept[:i+1]
		}
		if cut || len(kept) == OutputLimit {
			return kept
		}
		select {
		case <-news:
		case <-c.eof:
			kept, _, _ := c.state()
			return kept
		case <-timeout.C:
			return kept
		}
	}
}
