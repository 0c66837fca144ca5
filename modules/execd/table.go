// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hids/config/arconf"
	"hids/platform/fswatch"
	"hids/platform/logging"
	"hids/platform/paths"
	"hids/platform/trust"
)

// maxARConf bounds ar.conf, in bytes: some 100,000 responses. OSSEC's own has a few
// hundred bytes.
const maxARConf = 4 << 20

// maxAbsent is how many programs of one ar.conf are told to be absent or refused.
const maxAbsent = 200

// settle is how long ar.conf must be left alone before it is read because of a
// notification: agentd writes it in pieces.
const settle = 200 * time.Millisecond

// table is ar.conf as it was last good. It is looked at again for every
// request, which costs one stat(2), and when the file system tells of a change.
type table struct {
	layout paths.Layout
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	current arconf.Table
	seen    fs.FileInfo     // the file that was read last, good or not
	said    map[string]bool // what has been said of this file and need not be again
}

func newTable(l paths.Layout, log *slog.Logger) *table {
	return &table{layout: l, log: log, said: map[string]bool{}}
}

// lookup finds a name, after reading the file again if it is another than it was.
func (t *table) lookup(name string, exists func(string) bool) (arconf.Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	return t.current.Lookup(name, exists)
}

// refresh reads the file again if it is another than it was. t.mu is held.
func (t *table) refresh() {
	fi, err := os.Stat(t.layout.ARConf())
	if err == nil && !same(fi, t.seen) || err != nil && t.seen != nil {
		t.load()
	}
}

func same(a, b fs.FileInfo) bool {
	return b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// reload reads the file whatever it looks like.
func (t *table) reload() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.load()
}

// load takes the file over. A file that is gone, empty or can't be read leaves
// the last good table in force: an agent that gets its files anew has such a
// moment, and no response must be lost in it.
func (t *table) load() {
	path := t.layout.ARConf()
	data, fi, err := trust.ReadFile(path, maxARConf)
	t.seen = fi
	switch {
	case err != nil:
		t.once("read "+err.Error(), func() {
			t.log.LogAttrs(context.Background(), slog.LevelError,
				fmt.Sprintf("Unable to open file '%s'.", path), logging.ID(1103))
			switch {
			case t.current.Len() > 0:
				t.log.Warn("ar.conf can't be read: the responses it had before stay in force", "err", err)
			case !errors.Is(err, fs.ErrNotExist):
				t.log.Warn("ar.conf can't be read: no response is known", "err", err)
			}
		})
		return
	case len(data) == 0 && t.current.Len() > 0:
		t.once("empty", func() {
			t.log.Warn("ar.conf is empty: the responses it had before stay in force", "path", path)
		})
		return
	}
	next, faults := arconf.Parse(path, data)
	t.current = next
	delete(t.said, "empty")
	for _, f := range faults {
		t.once(f.Error(), func() { t.tellFault(path, f.Message, f.Error()) })
	}
	t.tellAbsent()
}

func (t *table) tellFault(path, message, whole string) {
	if strings.HasPrefix(message, "malformed") {
		t.log.LogAttrs(context.Background(), slog.LevelError,
			fmt.Sprintf("Invalid active response config: '%s'.", path), logging.ID(1313))
	}
	t.log.Warn("ar.conf: " + whole)
}

// tellAbsent says once for each program that this system does not have it.
func (t *table) tellAbsent() {
	p := programs{bin: t.layout.ResponseBin()}
	told := 0
	for _, e := range t.current.Entries() {
		if e.Executable == "" {
			continue
		}
		if told == maxAbsent {
			t.log.Warn("ar.conf names more programs: whether they are here is looked at when they are asked for")
			return
		}
		_, err := p.find(e.Executable)
		if err != nil {
			told++
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			t.once("absent "+e.Executable, func() {
				t.log.Info(fmt.Sprintf("Active response command not present: '%s'. Not using it on this system.",
					p.path(e.Executable)))
			})
		case err != nil:
			t.once("refused "+e.Executable, func() {
				t.log.Error("active response program is refused", "path", p.path(e.Executable), "err", err)
			})
		}
	}
}

// What is remembered of what was said: so many texts, so many bytes of each. A sender
// chooses how long a name is.
const (
	maxSaid     = 4096
	maxSaidText = 512
)

func (t *table) once(what string, say func()) {
	what = strings.Clone(what[:min(len(what), maxSaidText)])
	if t.said[what] {
		return
	}
	if len(t.said) >= maxSaid {
		clear(t.said)
	}
	t.said[what] = true
	say()
}

// onceFor says something about a request once.
func (t *table) onceFor(what string, say func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.once(what, say)
}

// watch reads ar.conf again soon after it changed, so that its faults are said
// when they are made. It watches the folder: the file is replaced as a whole.
func (t *table) watch(ctx context.Context) {
	w, err := fswatch.New(t.log)
	if err == nil {
		defer w.Close()
		err = w.Add(filepath.Dir(t.layout.ARConf()))
	}
	if err != nil {
		t.log.Info("ar.conf is not watched; it is looked at with every request", "err", err)
		return
	}
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.Events():
			if e.Op == fswatch.Overflow || e.Path == filepath.ToSlash(t.layout.ARConf()) {
				quiet.Reset(settle)
			}
		case <-quiet.C:
			t.reload()
		}
	}
}

// entries returns all entries of the table, as the file is now.
func (t *table) entries() []arconf.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	return t.current.Entries()
}
