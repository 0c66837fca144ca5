// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"
	"sync/atomic"
	"time"

	"hids/config"
	"hids/config/rules"
	"hids/modules/syscheckd/record"
)

// Options configure one scan. The zero value of a limit means none.
type Options struct {
	Rules *rules.Rules
	// Paths restricts the scan to these paths and what is below them, absolute.
	// The rest of the baseline is neither compared nor reported. Empty: all that
	// the rules watch.
	Paths []string

	Workers        int           // reading and hashing at once; 0: one a processor
	SkipNFS        bool          // leave network file systems out
	MaxFileSize    int64         // bytes; a larger file gets no sums
	MaxFilesPS     int           // files per second
	MaxBytesPS     int64         // bytes read per second
	Prefilter      []string      // argv; its output is hashed in place of the file, whose path is appended
	HashLinkTarget bool          // sums of the regular file that a symbolic link leads to, as OSSEC wants them
	Deadline       time.Duration // for one operation of the file system; 0: DefaultDeadline
	Progress       *Progress     // updated while the scan runs; may be nil

	// Live lets looks at single files be done while the scan runs; may be nil.
	Live *Live
	// Look makes the scan a part of the work: it says nothing of whether its
	// paths were ever covered, and does not finish a first scan.
	Look bool

	// Content takes the content of a regular file while it is read for its
	// sums, for report_changes: a file is read once. It is asked before each
	// read, by any worker; nil, or a nil Content, if nobody wants it.
	Content func(path string, entry *config.Directory) Content
}

// Events takes what a scan finds. All are called by one goroutine; an error
// ends the scan. Change returns before the baseline takes the change over: a
// process that dies in between finds the same change again.
type Events struct {
	Change func(*Change) error // required; keeps what it is given if it likes
	Fault  func(Fault) error   // may be nil
	// Store is called before what was reported since the last Store is written to
	// the baseline. May be nil.
	Store func() error
	// Seeded is told of each file that the first scan of its root puts into
	// the baseline. Such a file is no Change. May be nil. It must not keep r.
	Seeded func(path string, r *record.Record, entry *config.Directory) error
}

// DefaultDeadline is how long one operation of a file system may take before
// the scan goes on without it.
const DefaultDeadline = 60 * time.Second

// Progress counts while a scan runs. Any goroutine may read it.
type Progress struct {
	Files atomic.Int64 // entries of every type
	Bytes atomic.Int64 // content read
	path  atomic.Pointer[string]
}

// Path returns what was inspected a moment ago; raw bytes of the name.
func (p *Progress) Path() string {
	if s := p.path.Load(); s != nil {
		return *s
	}
	return ""
}

// ErrNotWatched is in the chain of Run's error for a path that nothing watches.
var ErrNotWatched = errors.New("not watched: add it to <directories>, or see 'hids config explain'")

// Fault is something that could not be done. A fault never ends a scan.
type Fault struct {
	Path string // raw bytes of the name
	Err  error
	// Unknown: everything below Path was left as the baseline has it, because
	// it could not be looked at.
	Unknown bool
}

// Error makes a Fault an error; the path is in it, quoted.
func (f Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f Fault) Unwrap() error { return f.Err }

// Result sums a scan up.
type Result struct {
	Files   int64 // entries of every type that were inspected
	Bytes   int64 // content read
	Elapsed time.Duration
	First   bool  // the baseline was empty: this scan made it
	Seeded  int64 // put into the baseline without being a change: a root's first scan
	Dropped int64 // left the baseline without being a change: no longer watched
	Changes map[Action]int64
	Faults  int64 // those passed to Events.Fault
	// Unread counts the files whose content could not be read, and the
	// folders that could not be looked at.
	Unread int64
}

// Differences is the number of changes of all kinds.
func (r *Result) Differences() int64 {
	var n int64
	for _, c := range r.Changes {
		n += c
	}
	return n
}
