// SPDX-License-Identifier: Apache-2.0

package xmlconf

import (
	"bytes"
	"strings"

	"hids/config/fault"
)

// element is what etree does not keep: where an element stood.
type element struct {
	src     int
	attrs   []int // offsets of the attributes
	segs    []segment
	textLen int
	mixed   bool // has children
}

// open is an element that waits for its closing tag.
type open struct {
	name      string
	at        int // in filter.elements
	backslash int // offset of the last \</ in it, or -1: it may have meant to close
}

// filter reads OSSEC's dialect and writes XML. It goes on after a fault where
// what follows can still be understood, so that all faults are told at once.
type filter struct {
	src      []byte
	pos      int
	lines    *lines
	out      bytes.Buffer
	stack    []open
	elements []element
	faults   fault.List
}

func (f *filter) fatal(at int, hint, format string, args ...any) {
	f.faults.Fatalf(f.lines.pos(at), hint, format, args...)
}

func (f *filter) warn(at int, hint, format string, args ...any) {
	f.faults.Warnf(f.lines.pos(at), hint, format, args...)
}

// precheck refuses what is no configuration file at all.
func (f *filter) precheck() bool {
	file := fault.Pos{File: f.lines.file}
	switch nul := bytes.IndexByte(f.src, 0); {
	case len(f.src) > MaxSize:
		f.faults.Fatalf(file, "", "%d bytes are too many, the limit is %d", len(f.src), MaxSize)
	case bytes.HasPrefix(f.src, []byte("\xff\xfe")) || bytes.HasPrefix(f.src, []byte("\xfe\xff")):
		f.faults.Fatalf(file, "save it as UTF-8", "the file is UTF-16")
	case nul >= 0:
		f.fatal(nul, "save it as plain text", "a NUL byte")
	default:
		return true
	}
	return false
}

func (f *filter) run() {
	f.prologue()
	for f.pos < len(f.src) && f.step() {
	}
	f.finish()
}

// prologue skips a byte order mark and an XML declaration, which OSSEC takes
// here and nowhere else.
func (f *filter) prologue() {
	if bytes.HasPrefix(f.src, []byte("\xef\xbb\xbf")) {
		f.pos = 3
	}
	if bytes.HasPrefix(f.src[f.pos:], []byte("<?xml")) {
		f.declaration()
	}
}

// step reads the text up to the next markup, and the markup. It returns false
// when nothing after it could be understood.
func (f *filter) step() bool {
	f.text()
	rest := f.src[f.pos:]
	switch {
	case len(rest) == 0:
		return true
	case bytes.HasPrefix(rest, []byte("<!")):
		return f.comment()
	case bytes.HasPrefix(rest, []byte("<?")):
		f.fatal(f.pos, "it may stand at the very start of the file only", "a declaration in the middle of the file")
		return f.declaration()
	case bytes.HasPrefix(rest, []byte("</")):
		return f.closeTag()
	default:
		return f.openTag()
	}
}

// text takes everything up to a < that no backslash stands before.
func (f *filter) text() {
	start := f.pos
	for f.pos < len(f.src) {
		i := bytes.IndexByte(f.src[f.pos:], '<')
		if i < 0 {
			f.pos = len(f.src)
			break
		}
		f.pos += i
		if f.pos == start || f.src[f.pos-1] != '\\' {
			break
		}
		f.noteBackslash()
		f.pos++
	}
	f.writeText(start, f.pos)
}

func (f *filter) noteBackslash() {
	if len(f.stack) > 0 && bytes.HasPrefix(f.src[f.pos:], []byte("</")) {
		f.stack[len(f.stack)-1].backslash = f.pos - 1
	}
}

// longText is from where on OSSEC 4.3 refuses a run of text; it counts blanks
// between elements too.
const longText = 8192

func (f *filter) writeText(start, end int) {
	if start == end || len(f.stack) == 0 {
		return
	}
	e := &f.elements[f.stack[len(f.stack)-1].at]
	if !e.mixed {
		e.segs = append(e.segs, segment{e.textLen, start})
		e.textLen += end - start
	}
	if end-start >= longText {
		f.warn(start, "", "OSSEC's own daemons refuse %d bytes of text in one piece, %d is their limit", end-start, longText-1)
	}
	encode(&f.out, f.src[start:end])
}

func (f *filter) comment() bool {
	start := f.pos
	for _, odd := range []string{"<![CDATA[", "<!DOCTYPE"} {
		if bytes.HasPrefix(f.src[start:], []byte(odd)) {
			f.warn(start, "OSSEC reads everything from <! on as a comment", "%s is no markup here", odd)
		}
	}
	for end := start + 2; ; end++ {
		i := bytes.IndexByte(f.src[end:], '>')
		if i < 0 {
			break
		}
		end += i
		if body := f.src[start+2 : end]; bytes.HasSuffix(body, []byte("--")) || bytes.HasSuffix(body, []byte("!")) {
			f.pos = end + 1
			return true
		}
	}
	f.fatal(start, "end it with -->", "the comment is not closed")
	f.pos = len(f.src)
	return false
}

func (f *filter) declaration() bool {
	end := bytes.Index(f.src[f.pos:], []byte("?>"))
	if end < 0 {
		f.fatal(f.pos, "end it with ?>", "the declaration is not closed")
		f.pos = len(f.src)
		return false
	}
	f.pos += end + 2
	return true
}

// finish tells what is still open. The innermost element is the cause, those
// around it are open because it is.
func (f *filter) finish() {
	if n := len(f.stack); n > 0 && !f.faults.Fatal() {
		f.notClosed(f.stack[n-1])
	}
	for len(f.stack) > 0 {
		f.pop()
	}
}

func (f *filter) notClosed(o open) {
	hint := "add </" + o.name + ">"
	if o.backslash >= 0 {
		p := f.lines.pos(o.backslash)
		hint = "a backslash before < makes it text (" + strings.TrimPrefix(p.String(), p.File+":") + "): leave it out there"
	}
	f.fatal(f.elements[o.at].src, hint, "<%s> is not closed", o.name)
}

func (f *filter) pop() {
	top := f.stack[len(f.stack)-1]
	f.stack = f.stack[:len(f.stack)-1]
	f.out.WriteString("</" + top.name + ">")
}
