// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// Target is the host that a policy is asked of. Errors that are
// errors.ErrUnsupported mean that the host has no such thing (no registry, no
// processes in an image): the condition is false and does not apply.
type Target interface {
	// Exists reports whether a path leads to something.
	Exists(path string) bool
	// Open opens a regular file. A folder is ErrFolder: it is there and has
	// no lines. Anything else that has no lines is fs.ErrNotExist.
	Open(path string) (io.ReadCloser, error)
	// Walk calls fn for everything below dir, folders too, without following
	// links. A folder that is not there is no error.
	Walk(ctx context.Context, dir string, fn func(path, base string)) error
	// Processes returns the names of what runs.
	Processes() ([]string, error)
	// Registry reports whether the key, its value (if not "") and data that
	// data accepts (if not nil) are there.
	Registry(key, value string, data func(string) bool) (bool, error)
}

// ErrFolder is a folder where a file is read.
var ErrFolder = errors.New("is a folder")

// Limits on what one policy can make us do.
const (
	maxContent = 16 << 20 // bytes read of one file
	lineChunk  = 64 << 10 // a longer line is looked at in pieces
	maxDetails = 255      // OSSEC's limit for one rule
)

// Evaluate answers every rule of the policy, in order.
func Evaluate(ctx context.Context, p *Policy, t Target) ([]Result, error) {
	results := make([]Result, 0, len(p.Rules))
	var blocked *Rule
	for _, r := range p.Rules {
		if err := ctx.Err(); err != nil {
			return results, err
		}
		if blocked != nil {
			results = append(results, Result{Rule: r, Outcome: NotApplicable,
				Reason: "required rule \"" + blocked.Name + "\" is false"})
			continue
		}
		e := evaluation{target: t, rule: r}
		res := e.run(ctx)
		results = append(results, res)
		if r.Required && !res.True() {
			blocked = r
		}
	}
	return results, nil
}

// evaluation is one rule being answered.
type evaluation struct {
	target  Target
	rule    *Rule
	details []Detail
	err     error // the first thing that could not be looked at
	failed  int   // how many there were
}

// verdict is the answer to a condition. absent is a false one whose question
// had no object: a line of a file that is not there.
type verdict struct {
	holds, absent bool
}

func (e *evaluation) run(ctx context.Context) Result {
	res := Result{Rule: e.rule}
	if e.rule.Broken {
		res.Outcome, res.Reason = Unknown, "a line of the rule can't be read"
		return res
	}
	asked, held, absent := 0, 0, 0
	for i := range e.rule.Conditions {
		c := &e.rule.Conditions[i]
		if c.Unknown {
			continue
		}
		v := e.ask(ctx, c)
		asked++
		if v.holds {
			held++
		} else if v.absent {
			absent++
		}
	}
	e.decide(&res, asked, held, absent)
	return res
}

func (e *evaluation) decide(res *Result, asked, held, absent int) {
	truth := held > 0
	switch e.rule.Mode {
	case All:
		truth = asked > 0 && held == asked
	case None:
		truth = asked > 0 && held == 0 && e.err == nil // what was not read may be what must not be
	}
	switch {
	case truth:
		res.Outcome = Fail
		if e.rule.Required {
			res.Outcome = Applies
		}
		res.Details = e.reported()
	case e.err != nil:
		res.Outcome, res.Reason = Unknown, e.err.Error()
	case asked == 0:
		res.Outcome, res.Reason = NotApplicable, "no condition that can be asked"
	case e.rule.Required:
		res.Outcome, res.Reason = NotApplicable, "the policy is not meant for this host"
	case e.rule.Mode != None && absent == asked:
		res.Outcome, res.Reason = NotApplicable, "what it asks about is not there"
	default:
		res.Outcome = Pass
	}
}

// reported is what OSSEC sends: everything that was found if the last
// condition looks through folders, else the first thing.
func (e *evaluation) reported() []Detail {
	last := e.rule.Conditions[len(e.rule.Conditions)-1]
	if last.Type == DirType || len(e.details) < 2 {
		return e.details
	}
	return e.details[:1]
}

func (e *evaluation) ask(ctx context.Context, c *Condition) verdict {
	var v verdict
	before := e.failed
	switch c.Type {
	case FileType:
		v = e.askFiles(c)
	case DirType:
		v = e.askDirs(ctx, c)
	case ProcessType:
		v = e.askProcesses(c)
	case RegistryType:
		v = e.askRegistry(c)
	}
	if !c.Negated {
		return v
	}
	// What could not be read is neither so nor otherwise. OSSEC takes it for
	// the opposite.
	return verdict{holds: !v.holds && e.failed == before}
}

// askFiles is true for the first path of the list that answers yes (OSSEC 4.3
// looks at the first path alone).
func (e *evaluation) askFiles(c *Condition) verdict {
	absent := c.Content != nil
	for _, path := range c.Paths {
		v := e.file(path, c.Content)
		if v.holds {
			e.detail(Detail{Text: path})
			return v
		}
		absent = absent && v.absent
	}
	return verdict{absent: absent}
}

func (e *evaluation) file(path string, content *Pattern) verdict {
	if content == nil {
		return verdict{holds: e.target.Exists(path)}
	}
	f, err := e.target.Open(path)
	switch {
	case errors.Is(err, ErrFolder):
		return verdict{holds: content.everyLine}
	case errors.Is(err, fs.ErrNotExist):
		return verdict{absent: true}
	case err != nil:
		e.fail(err)
		return verdict{}
	}
	defer f.Close()
	holds, err := content.matchLines(f)
	if err != nil {
		e.fail(err)
	}
	return verdict{holds: holds}
}

func (e *evaluation) fail(err error) {
	e.failed++
	if e.err == nil {
		e.err = err
	}
}

// matchLines looks for a line that satisfies the pattern or, where every part
// is negated, makes sure that all do.
func (p *Pattern) matchLines(r io.Reader) (bool, error) {
	limited := &io.LimitedReader{R: r, N: maxContent}
	in := bufio.NewReaderSize(limited, lineChunk)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			if n := len(line) - 1; line[n] == '\n' {
				line = line[:n]
			}
			if p.Match(string(line)) != p.everyLine {
				return !p.everyLine, nil
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && limited.N == 0:
			return false, errors.New("file is larger than 16 MiB")
		case err == io.EOF:
			return p.everyLine, nil
		case err != nil:
			return false, err
		}
	}
}

func (e *evaluation) askDirs(ctx context.Context, c *Condition) verdict {
	var found bool
	for _, dir := range c.Paths {
		err := e.target.Walk(ctx, dir, func(path, base string) {
			if !c.Name.matches(base) || !e.file(path, c.Content).holds {
				return
			}
			found = true
			e.detail(Detail{Text: path})
		})
		if err != nil {
			e.fail(err)
		}
	}
	return verdict{holds: found}
}

func (e *evaluation) askProcesses(c *Condition) verdict {
	names, err := e.target.Processes()
	if err != nil {
		return e.unsupported(err)
	}
	i := slices.IndexFunc(names, c.Content.Match)
	if i < 0 {
		return verdict{}
	}
	e.detail(Detail{Process: true, Text: names[i]})
	return verdict{holds: true}
}

func (e *evaluation) askRegistry(c *Condition) verdict {
	var data func(string) bool
	if c.Content != nil {
		data = c.Content.Match
	}
	holds, err := e.target.Registry(c.Paths[0], c.Value, data)
	if err != nil {
		return e.unsupported(err)
	}
	return verdict{holds: holds}
}

func (e *evaluation) unsupported(err error) verdict {
	if !errors.Is(err, errors.ErrUnsupported) {
		e.fail(err)
		return verdict{}
	}
	return verdict{absent: true}
}

func (e *evaluation) detail(d Detail) {
	if len(e.details) < maxDetails && !slices.Contains(e.details, d) {
		e.details = append(e.details, d)
	}
}
