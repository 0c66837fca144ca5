// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"context"
	"errors"
	"path"

	"hids/config"
	"hids/config/rules"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/record"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

// ErrLater, returned by Events.Change, leaves the baseline as it is for the
// file: the change is found again by the next scan.
var ErrLater = errors.New("the change could not be told now")

// Live lets other work on the baseline be done while a scan runs: looks at
// files on which something has just happened.
type Live struct {
	// Wake, when it can be received from, makes the scan call Pause between
	// two files. Meanwhile the baseline is free: Pause may call Run.
	Wake <-chan struct{}
	// Pause returns the paths that it has looked at, each with all below it.
	// The scan leaves them alone from then on: what it has read of them may be
	// older than what Pause has stored.
	Pause func() (looked []string, err error)
	// Enter is called before the content of a watched directory is read, by
	// the walking goroutine: who watches the directory from then on misses
	// nothing. It may be nil.
	Enter func(dir string, entry *config.Directory)
	// Names is called for each file of several names (hard links) that is not
	// as the baseline has it: what is done to it by way of one name shows in the
	// others too. gone: this name is not one of them any more. It may be nil.
	Names func(path string, r *record.Record, gone bool)
}

// Watched reports whether a scan of everything would come to p: an entry
// covers it, and neither it nor what is above it, below its entry, is ignored.
func Watched(r *rules.Rules, p string, isDir bool) bool { return watched(r, p, isDir) }

// maxLooked bounds what a scan remembers of the looks in its pauses. The oldest
// are forgotten first: then a change may be told twice.
const maxLooked = 1 << 16

// looked remembers the paths that a pause has looked at.
type looked struct {
	paths map[string]bool
	order []string
}

func (l *looked) add(list []string) {
	if l.paths == nil {
		l.paths = map[string]bool{}
	}
	for _, p := range list {
		if l.paths[p] {
			continue
		}
		l.paths[p] = true
		l.order = append(l.order, p)
	}
	for len(l.order) > maxLooked {
		delete(l.paths, l.order[0])
		l.order = l.order[1:]
	}
}

// covers reports whether p is, or is below, what was looked at.
func (l *looked) covers(p string) bool {
	if len(l.paths) == 0 {
		return false
	}
	for up := p; ; up = path.Dir(up) {
		if l.paths[up] {
			return true
		}
		if len(up) <= 1 {
			return false
		}
	}
}

// pause brings the baseline up to what was found so far and gives it away for
// as long as the other work takes.
func (j *joiner) pause() error {
	if err := j.resolveMoves(); err != nil {
		return err
	}
	if err := j.flush(); err != nil {
		return err
	}
	if err := j.cur.Close(); err != nil {
		return err
	}
	list, err := j.o.Live.Pause()
	j.looked.add(list)
	return errors.Join(err, j.cur.Open())
}

// passOver steps over a path of the walk that a pause has dealt with.
func (j *joiner) passOver(p string) {
	if j.key = baseline.AppendKey(j.key[:0], p); bytes.Equal(j.cur.Key(), j.key) {
		j.cur.Next()
	}
}

// Folders calls o.Live.Enter for each folder that a scan of everything would
// enter, and looks at nothing else.
func Folders(ctx context.Context, o Options) error {
	roots := o.Rules.Roots()
	chooser := newChooser(o.Rules, roots)
	chooser.enter = o.Live.Enter
	for _, r := range roots {
		chooser.entering(r)
	}
	deadline := o.Deadline
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	return fswalk.Walk(ctx, fswalk.Options[struct{}]{
		Roots: roots,
		Choose: func(path string, kind fsstat.Kind) (visit, descend bool) {
			_, descend = chooser.choose(path, kind)
			return false, descend
		},
		Alias:       alias(o.Rules),
		Inspector:   func() fswalk.Inspector[struct{}] { return nothing{} },
		SkipNetwork: o.SkipNFS,
		Deadline:    deadline,
	}, func(*fswalk.Item[struct{}]) error { return nil })
}

// nothing inspects nothing.
type nothing struct{}

// Inspect implements fswalk.Inspector.
func (nothing) Inspect(context.Context, *fswalk.Task, *struct{}) {}
