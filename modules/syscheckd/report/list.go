// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"hids/modules/event"
	"hids/modules/syscheckd/scan"
)

// maxLines is how many changes a List holds before it writes them: it bounds
// the memory of a scan after which everything differs.
const maxLines = 20_000

// nameWidth is how far the second column moves to the right for long names.
const nameWidth = 40

// Colours are escape sequences; the zero value is none.
type Colours struct {
	Folder, Added, Changed, Deleted, Moved, Reset string
}

// List is the list of changes for people, grouped by folder: one line a path
// with a sign, its name and what changed, and the diff below it.
type List struct {
	out     *bufio.Writer
	names   Names
	colours Colours
	lines   []line
	folders bool // one was written
}

type line struct {
	folder, name string // raw, for the order
	action       scan.Action
	detail       string // safe
	in           Inside
}

// NewList returns an empty list that writes to w.
func NewList(w io.Writer, names Names, c Colours) *List {
	return &List{out: bufio.NewWriter(w), names: names, colours: c}
}

// Add takes a change.
func (l *List) Add(c *scan.Change, in Inside) error {
	folder, name := path.Split(c.Path)
	l.lines = append(l.lines, line{folder, name, c.Action, Detail(c, l.names), in})
	if len(l.lines) < maxLines {
		return nil
	}
	return l.Flush()
}

// Flush writes what was added, sorted by folder and name.
func (l *List) Flush() error {
	slices.SortStableFunc(l.lines, func(a, b line) int {
		if c := strings.Compare(a.folder, b.folder); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for len(l.lines) > 0 {
		n := 1
		for n < len(l.lines) && l.lines[n].folder == l.lines[0].folder {
			n++
		}
		l.group(l.lines[:n])
		l.lines = l.lines[n:]
	}
	l.lines = nil
	return l.out.Flush()
}

// group writes one folder. Errors are kept by the buffered writer until Flush.
func (l *List) group(lines []line) {
	if l.folders {
		l.out.WriteByte('\n')
	}
	l.folders = true
	l.out.WriteString(l.colours.Folder + folderName(lines[0].folder) + l.colours.Reset + "\n")
	width := 0
	for _, ln := range lines {
		width = max(width, min(nameWidth, utf8.RuneCountInString(event.SafeText(ln.name))))
	}
	for _, ln := range lines {
		l.write(ln, width)
	}
}

func folderName(folder string) string {
	if folder == "/" || folder == "" {
		return "/"
	}
	return event.SafeText(strings.TrimSuffix(folder, "/"))
}

func (l *List) write(ln line, width int) {
	sign, colour := l.sign(ln.action)
	reset := l.colours.Reset
	fmt.Fprintf(l.out, "  %s%s%s %-*s  %s\n", colour, sign, reset, width, event.SafeText(ln.name), ln.detail)
	if ln.in.Why != "" {
		fmt.Fprintf(l.out, "      (no diff: %s)\n", ln.in.Why)
	}
	for text := range strings.Lines(ln.in.Diff) {
		text = strings.TrimSuffix(text, "\n")
		l.out.WriteString("      " + l.diffColour(text) + text + reset + "\n")
	}
}

func (l *List) sign(a scan.Action) (sign, colour string) {
	switch a {
	case scan.Created:
		return "+", l.colours.Added
	case scan.Deleted:
		return "-", l.colours.Deleted
	case scan.Moved:
		return ">", l.colours.Moved
	}
	return "~", l.colours.Changed
}

func (l *List) diffColour(text string) string {
	switch {
	case strings.HasPrefix(text, "+"):
		return l.colours.Added
	case strings.HasPrefix(text, "-"):
		return l.colours.Deleted
	}
	return ""
}
