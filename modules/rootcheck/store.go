// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hids/modules/rootcheck/check"
	"hids/platform/datasync"
	"hids/platform/lockfile"
)

// Store is what outlives a run: each check's memory, what was found and when,
// and what an admin accepted. It is one file, read anew and written whole for
// each change under a lock, so the daemon and a command may both use it.
type Store struct {
	dir string
	log *slog.Logger
	now func() time.Time
}

// NewStore returns the store in the folder dir, which is made when something
// is written.
func NewStore(dir string, log *slog.Logger) *Store { return &Store{dir: dir, log: log, now: time.Now} }

// Entry is a finding and what became of it.
type Entry struct {
	check.Finding
	FirstSeen time.Time   `json:"first_seen"`
	LastSeen  time.Time   `json:"last_seen"`
	Changed   bool        `json:"changed,omitempty"` // its state differs from the one before
	Missed    int         `json:"missed,omitempty"`  // runs since LastSeen that could not look at everything
	Accepted  *Acceptance `json:"accepted,omitempty"`
}

// Acceptance is an admin's word that a finding is all right as it is.
type Acceptance struct {
	Fingerprint string    `json:"fingerprint"`
	Note        string    `json:"note,omitempty"`
	Time        time.Time `json:"time"`
}

// Report is the state of a host after a run.
type Report struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Trigger  string    `json:"trigger"`
	Outcomes []Outcome `json:"checks"`
	Entries  []Entry   `json:"findings"`
}

// Open returns the entries of the last run that nobody accepted and that are
// more than a fact.
func (r *Report) Open() []Entry {
	return slices.DeleteFunc(slices.Clone(r.Entries), func(e Entry) bool {
		return e.Accepted != nil || e.Kind == check.Info || e.Missed > 0
	})
}

// maxMissed is how many incomplete runs an entry outlives that they did not
// see. Some checks are never complete: there is always a process in the way.
const maxMissed = 3

const storeVersion = 1

// stored is the file. Entries are the last run's, for each check.
type stored struct {
	Version  int                        `json:"version"`
	Memory   map[string]json.RawMessage `json:"memory"`
	Accepted map[string]Acceptance      `json:"accepted"`
	Last     Report                     `json:"last"`
}

// Changes is what a run made different.
type Changes struct {
	New, Changed, Gone []Entry
}

// ErrUnknownFinding means that no finding has the ID.
var ErrUnknownFinding = errors.New("no such finding; see hids rootcheck list")

// Report returns the last report; its Entries say what is accepted.
func (s *Store) Report() (*Report, error) {
	st, err := s.load()
	if err != nil {
		return nil, err
	}
	st.applyAccepted()
	return &st.Last, nil
}

// Memory returns what the checks remember, by name.
func (s *Store) Memory() (func(name string) *check.Memory, error) {
	st, err := s.load()
	if err != nil {
		return nil, err
	}
	return func(name string) *check.Memory { return check.NewMemory(st.Memory[name]) }, nil
}

// Finish takes a run's outcomes over and returns the report of the checks that
// ran. The others keep their entries, and so do checks without a complete
// answer: what they did not see is not gone. With an error the report is there
// all the same, but the next run will know nothing of it.
func (s *Store) Finish(ctx context.Context, start, end time.Time, trigger string, outcomes []Outcome) (*Report, *Changes, error) {
	var report *Report
	var changes *Changes
	err := s.update(ctx, func(st *stored) error {
		report, changes = st.finish(start, end, trigger, outcomes)
		return nil
	})
	if report == nil {
		report, changes = emptyStore().finish(start, end, trigger, outcomes)
	}
	return report, changes, err
}

func (st *stored) finish(start, end time.Time, trigger string, outcomes []Outcome) (*Report, *Changes) {
	changes := &Changes{}
	st.take(outcomes, end, changes)
	st.Last.Start, st.Last.End, st.Last.Trigger = start, end, trigger
	st.applyAccepted()
	report := st.Last
	report.Outcomes = outcomes
	report.Entries = slices.DeleteFunc(slices.Clone(report.Entries), func(e Entry) bool {
		return !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Check == e.Check })
	})
	return &report, changes
}

func emptyStore() *stored {
	return &stored{Version: storeVersion, Memory: map[string]json.RawMessage{}, Accepted: map[string]Acceptance{}}
}

// take merges outcomes into the last report.
func (st *stored) take(outcomes []Outcome, end time.Time, changes *Changes) {
	before := map[string]Entry{}
	for _, e := range st.Last.Entries {
		before[e.ID] = e
	}
	ran := map[string]Outcome{}
	var now []Entry
	for _, o := range outcomes {
		ran[o.Check] = o
		if raw, saved := o.memory.Bytes(); saved && o.State != Failed {
			st.Memory[o.Check] = raw
		}
		for _, f := range o.findings {
			now = append(now, st.seen(f, before, end, changes))
			delete(before, f.ID)
		}
		st.setOutcome(o)
	}
	for _, e := range slices.SortedFunc(maps.Values(before), byID) {
		o, did := ran[e.Check]
		if did && (o.State == Failed || o.State == Partial) {
			e.Missed++
		}
		if did && (o.State == Done || o.State == NotApplicable || e.Missed > maxMissed) {
			changes.Gone = append(changes.Gone, e)
			continue
		}
		now = append(now, e)
	}
	st.Last.Entries = now
}

func byID(a, b Entry) int { return strings.Compare(a.ID, b.ID) }

func (st *stored) seen(f check.Finding, before map[string]Entry, end time.Time, changes *Changes) Entry {
	e := Entry{Finding: f, FirstSeen: end, LastSeen: end}
	old, known := before[f.ID]
	if known {
		e.FirstSeen, e.Changed = old.FirstSeen, old.Fingerprint != f.Fingerprint
	}
	accepted, ok := st.Accepted[f.ID]
	switch {
	case ok && accepted.Fingerprint == f.Fingerprint:
	case !known:
		changes.New = append(changes.New, e)
	case e.Changed:
		changes.Changed = append(changes.Changed, e)
	}
	return e
}

func (st *stored) setOutcome(o Outcome) {
	i := slices.IndexFunc(st.Last.Outcomes, func(old Outcome) bool { return old.Check == o.Check })
	if i < 0 {
		st.Last.Outcomes = append(st.Last.Outcomes, o)
		return
	}
	st.Last.Outcomes[i] = o
}

// applyAccepted marks what is accepted as it is now.
func (st *stored) applyAccepted() {
	for i := range st.Last.Entries {
		e := &st.Last.Entries[i]
		e.Accepted = nil
		if a, ok := st.Accepted[e.ID]; ok && a.Fingerprint == e.Fingerprint {
			e.Accepted = &a
		}
	}
}

// Accept accepts the finding with this ID, or the only one whose ID begins so,
// as it is now.
func (s *Store) Accept(ctx context.Context, id, note string) (Entry, error) {
	return s.decide(ctx, id, func(st *stored, e *Entry) {
		a := Acceptance{Fingerprint: e.Fingerprint, Note: note, Time: s.now().UTC()}
		st.Accepted[e.ID] = a
		e.Accepted = &a
	})
}

// Withdraw takes an acceptance back.
func (s *Store) Withdraw(ctx context.Context, id string) (Entry, error) {
	return s.decide(ctx, id, func(st *stored, e *Entry) {
		delete(st.Accepted, e.ID)
		e.Accepted = nil
	})
}

func (s *Store) decide(ctx context.Context, id string, fn func(*stored, *Entry)) (Entry, error) {
	var decided Entry
	err := s.update(ctx, func(st *stored) error {
		i, err := st.find(id)
		if err != nil {
			return err
		}
		fn(st, &st.Last.Entries[i])
		decided = st.Last.Entries[i]
		return nil
	})
	return decided, err
}

func (st *stored) find(id string) (int, error) {
	found := -1
	for i, e := range st.Last.Entries {
		if e.ID == id {
			return i, nil
		}
		if len(id) >= 4 && strings.HasPrefix(e.ID, id) {
			if found >= 0 {
				return 0, fmt.Errorf("%q is the beginning of several IDs", id)
			}
			found = i
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%q: %w", id, ErrUnknownFinding)
	}
	return found, nil
}

const (
	stateFile = "state.json"
	lockFile  = "state.lock"
	maxStore  = 64 << 20
)

// update reads the file, changes it and writes it back under the lock.
func (s *Store) update(ctx context.Context, fn func(*stored) error) error {
	release, err := lockfile.Take(ctx, filepath.Join(s.dir, lockFile))
	if err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	defer release()
	st, err := s.load()
	if err != nil {
		return err
	}
	if err := fn(st); err != nil {
		return err
	}
	return s.save(st)
}

// load reads the file. One that can't be understood is put aside: to go on
// without it loses first-seen times and acceptances, to stop would lose every
// finding to come.
func (s *Store) load() (*stored, error) {
	name := filepath.Join(s.dir, stateFile)
	st := emptyStore()
	f, err := os.Open(name)
	if err == nil {
		defer f.Close()
		var data []byte
		data, err = io.ReadAll(io.LimitReader(f, maxStore))
		if err == nil {
			err = s.decode(name, data, st)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remember: %w", err)
	}
	if st.Memory == nil {
		st.Memory = map[string]json.RawMessage{}
	}
	if st.Accepted == nil {
		st.Accepted = map[string]Acceptance{}
	}
	return st, nil
}

func (s *Store) decode(name string, data []byte, st *stored) error {
	var got stored
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&got)
	if err == nil && got.Version != storeVersion {
		err = fmt.Errorf("version %d", got.Version)
	}
	if err == nil {
		*st = got
		return nil
	}
	aside := name + ".damaged"
	s.log.Error("the record of findings can't be read; it is put aside and begun anew", "path", name, "aside", aside, "err", err)
	return os.Rename(name, aside)
}

// save writes a new file beside the old one and puts it in its place. Root
// leaves it to the owner of the folder.
func (s *Store) save(st *stored) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remember: %w", err)
		}
	}()
	data, left, err := st.encode(maxStore)
	if err != nil {
		return err
	}
	if left > 0 {
		s.log.Error("too much was found to remember all of it; the mildest findings are left out", "count", left, "limit_bytes", maxStore)
	}
	f, err := os.CreateTemp(s.dir, stateFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, giveToOwner(f, s.dir), datasync.File(f), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(s.dir, stateFile)); err != nil {
		return err
	}
	return datasync.Dir(s.dir)
}

// encode makes the record no longer than what load reads. It leaves out what it
// must, and returns how many findings those were: a record that is too long would
// be none at the next run.
func (st *stored) encode(limit int) (data []byte, left int, err error) {
	for {
		if data, err = json.Marshal(st); err != nil || len(data) <= limit {
			return data, left, err
		}
		switch n := len(st.Last.Entries); {
		case n > 0:
			st.keepWorst(n / 2)
			left += n - len(st.Last.Entries)
		case len(st.Memory) > 0:
			st.forgetLargest()
		default:
			return nil, left, fmt.Errorf("a record of %d bytes, where %d is the limit", len(data), limit)
		}
	}
}

// keepWorst keeps n entries, in their order. An accepted one stays accepted
// without its entry, so it goes as if it were the mildest.
func (st *stored) keepWorst(n int) {
	worst := slices.Clone(st.Last.Entries)
	slices.SortStableFunc(worst, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.ID, b.ID))
	})
	keep := make(map[string]bool, n)
	for _, e := range worst[:n] {
		keep[e.ID] = true
	}
	st.Last.Entries = slices.DeleteFunc(st.Last.Entries, func(e Entry) bool { return !keep[e.ID] })
}

func (e *Entry) weight() int {
	if e.Accepted != nil || e.Missed > 0 {
		return -1
	}
	return e.Severity
}

func (st *stored) forgetLargest() {
	name := slices.MaxFunc(slices.Collect(maps.Keys(st.Memory)), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(st.Memory[a]), len(st.Memory[b])), cmp.Compare(a, b))
	})
	delete(st.Memory, name)
}
