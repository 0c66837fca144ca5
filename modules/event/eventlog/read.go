// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"hids/modules/event"
)

// Record is one line of the log.
type Record struct {
	Line  []byte // the JSON object, without the newline; valid until the next record
	Event event.Event
}

// Filter chooses events. The zero Filter takes all.
type Filter struct {
	Since  time.Time
	Module string // execd, syscheck or rootcheck
	path   *regexp.Regexp
}

// WithPath returns a Filter that also wants file.path to match glob: * and ?
// stay within one folder, ** does not, [abc] and [^abc] are sets. A glob
// without a slash is about the last element.
func (f Filter) WithPath(glob string) (Filter, error) {
	if glob == "" {
		return f, nil
	}
	re, err := regexp.Compile(globToRegexp(glob))
	if err != nil {
		return f, fmt.Errorf("path pattern %q: %w", glob, err)
	}
	f.path = re
	return f, nil
}

func globToRegexp(glob string) string {
	var b strings.Builder
	b.WriteString(`(?s)^`)
	if !strings.Contains(glob, "/") {
		b.WriteString(`(?:.*/)?`)
	}
	inSet := false
	for i := 0; i < len(glob); i++ {
		c := glob[i]
		switch {
		case inSet:
			inSet = c != ']'
			b.WriteByte(c)
		case c == '*' && strings.HasPrefix(glob[i:], "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			inSet = true
			b.WriteByte(c)
		case c < 0x80:
			b.WriteString(regexp.QuoteMeta(string(c)))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString(`$`)
	return b.String()
}

func (f Filter) match(e *event.Event) bool {
	if e.Time.Before(f.Since) || (f.Module != "" && e.Event.Module != f.Module) {
		return false
	}
	return f.path == nil || (e.File != nil && f.path.MatchString(e.File.Path))
}

// Read returns the events of the log at path, oldest first, rotated files
// first. A line that is no event is skipped. A missing log is an error.
func Read(path string, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		files, err := logFiles(path, f.Since)
		for _, name := range files {
			if err != nil {
				break
			}
			var file *os.File
			if file, err = os.Open(name); err != nil {
				break
			}
			more := scan(bufio.NewReader(file), f, yield)
			_ = file.Close()
			if !more {
				return
			}
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("read event log: %w", err))
		}
	}
}

// scan yields the whole lines that r has now, and reports whether to go on.
func scan(r *bufio.Reader, f Filter, yield func(Record, error) bool) bool {
	t := tail{r: r}
	for {
		line, err := t.next()
		if err != nil {
			return true
		}
		if rec, ok := parse(line, f); ok && !yield(rec, nil) {
			return false
		}
	}
}

func parse(line []byte, f Filter) (Record, bool) {
	rec := Record{Line: line}
	if json.Unmarshal(line, &rec.Event) != nil {
		return rec, false
	}
	return rec, f.match(&rec.Event)
}

// tail reads lines from a file that grows. Half a line waits for the rest.
type tail struct {
	r    *bufio.Reader
	part []byte
	done bool // part was handed out
}

func (t *tail) next() ([]byte, error) {
	if t.done {
		t.part, t.done = t.part[:0], false
	}
	for {
		b, err := t.r.ReadSlice('\n')
		t.part = append(t.part, b...)
		if err == nil {
			t.done = true
			return t.part[:len(t.part)-1], nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

// rotatedAt is how a rotated file is named: events-2026-11-21T22-48-20.000.json, UTC.
const rotatedAt = "2006-01-02T15-04-05.000"

// logFiles returns the files of the log, oldest first, without those that end
// before since.
func logFiles(path string, since time.Time) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(path)
	prefix := strings.TrimSuffix(filepath.Base(path), ext) + "-"
	var files []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), prefix)
		stamp, ok2 := strings.CutSuffix(stamp, ext)
		at, err := time.Parse(rotatedAt, stamp)
		if ok && ok2 && err == nil && !at.Before(since) {
			files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(files)
	if _, err := os.Stat(path); err == nil || len(files) == 0 {
		files = append(files, path)
	}
	return files, nil
}

// Follow is Read that goes on: it yields the events there are (unless fromEnd)
// and then those that come, across rotations, until ctx ends. The log need not
// exist yet, its folder must.
func Follow(ctx context.Context, path string, f Filter, fromEnd bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w, err := fsnotify.NewWatcher()
		if err == nil {
			defer w.Close()
			err = w.Add(filepath.Dir(path))
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("watch event log: %w", err))
			return
		}
		fo := &follower{path: path, filter: f, yield: yield}
		defer fo.close()
		if fromEnd {
			fo.skip()
		}
		if err := fo.run(ctx, w); err != nil {
			yield(Record{}, fmt.Errorf("follow event log: %w", err))
		}
	}
}

type follower struct {
	path   string
	filter Filter
	yield  func(Record, error) bool
	file   *os.File // being read; nil before the first
	tail   tail
}

func (fo *follower) close() {
	if fo.file != nil {
		_ = fo.file.Close()
	}
}

// skip goes to the end of what there is.
func (fo *follower) skip() {
	files, err := logFiles(fo.path, fo.filter.Since)
	if err != nil {
		return
	}
	if f, err := os.Open(files[len(files)-1]); err == nil {
		_, _ = f.Seek(0, io.SeekEnd)
		fo.use(f)
	}
}

func (fo *follower) use(f *os.File) {
	fo.close()
	fo.file, fo.tail = f, tail{r: bufio.NewReader(f)}
}

// open goes on with next. It reports false when another file has taken that
// name since next was listed.
func (fo *follower) open(next logFile) (bool, error) {
	f, err := os.Open(next.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if fi, err := f.Stat(); err != nil || !os.SameFile(fi, next.info) {
		return false, errors.Join(err, f.Close())
	}
	fo.use(f)
	return true, nil
}

func (fo *follower) run(ctx context.Context, w *fsnotify.Watcher) error {
	for {
		if more, err := fo.drain(); err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
		case err := <-w.Errors:
			// An overflow means that something happened; so look.
			if err != nil && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
		}
	}
}

// drain yields all that is there now, going from file to file.
func (fo *follower) drain() (more bool, err error) {
	for {
		next, err := fo.successor()
		// The list comes first: what was rotated away is complete by then, so
		// reading it to its end misses nothing.
		if fo.file != nil && !fo.lines() {
			return false, nil
		}
		if err != nil || next.info == nil {
			return true, err
		}
		if _, err := fo.open(next); err != nil {
			return false, err
		}
	}
}

func (fo *follower) lines() bool {
	for {
		line, err := fo.tail.next()
		if err != nil {
			return true
		}
		if rec, ok := parse(line, fo.filter); ok && !fo.yield(rec, nil) {
			return false
		}
	}
}

// logFile is one file of the log when it was listed; without info there is none.
type logFile struct {
	name string
	info fs.FileInfo
}

// listed returns the files of the log as they were at one moment: a rotation
// between listing and looking would put the newest file in another's place.
func (fo *follower) listed() ([]logFile, error) {
	names, err := logFiles(fo.path, fo.filter.Since)
	for err == nil {
		files := make([]logFile, 0, len(names))
		for _, name := range names {
			if fi, err := os.Stat(name); err == nil {
				files = append(files, logFile{name, fi})
			}
		}
		before := names
		if names, err = logFiles(fo.path, fo.filter.Since); slices.Equal(before, names) {
			return files, err
		}
	}
	return nil, err
}

// successor returns the file after the one being read.
func (fo *follower) successor() (logFile, error) {
	files, err := fo.listed()
	if err != nil {
		return logFile{}, err
	}
	if fo.file == nil {
		return at(files, 0), nil
	}
	here, err := fo.file.Stat()
	if err != nil {
		return logFile{}, err
	}
	for i, f := range files {
		if os.SameFile(f.info, here) {
			return at(files, i+1), nil
		}
	}
	return at(files, 0), nil // ours was removed: the oldest there is
}

func at(files []logFile, i int) logFile {
	if i < len(files) {
		return files[i]
	}
	return logFile{}
}
