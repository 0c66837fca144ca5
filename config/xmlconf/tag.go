// SPDX-License-Identifier: Apache-2.0

package xmlconf

import (
	"bytes"
	"slices"
)

// closeTag reads </name>.
func (f *filter) closeTag() bool {
	start := f.pos
	end := bytes.IndexByte(f.src[start:], '>')
	if end < 0 {
		f.fatal(start, "end it with >", "the closing tag is not finished")
		f.pos = len(f.src)
		return false
	}
	f.pos = start + end + 1
	name := string(bytes.TrimRight(f.src[start+2:start+end], " \t\r\n"))
	depth := slices.IndexFunc(f.stack, func(o open) bool { return o.name == name })
	if depth < 0 {
		f.fatal(start, "take it out, or open the element before", "closing tag </%s> without an opening one", clip(name))
		return true
	}
	for i := len(f.stack) - 1; f.stack[i].name != name; i-- {
		f.notClosed(f.stack[i])
		f.pop()
	}
	f.pop()
	return true
}

// openTag reads <name attributes> or <name attributes/>. What is no tag becomes
// text after the fault.
func (f *filter) openTag() bool {
	start := f.pos
	name := f.name(start + 1)
	if name == "" || !f.nameEnds(start+1+len(name)) {
		f.fatal(start, `write \< for a < in text`, "< starts no element here")
		f.writeText(start, start+1)
		f.pos = start + 1
		return true
	}
	if len(f.stack) >= MaxDepth {
		f.fatal(start, "", "elements nest more than %d deep", MaxDepth)
		f.pos = len(f.src)
		return false
	}
	if n := len(f.stack); n > 0 {
		parent := &f.elements[f.stack[n-1].at]
		parent.mixed = true
	}
	f.pos = start + 1 + len(name)
	f.stack = append(f.stack, open{name: name, at: len(f.elements), backslash: -1})
	f.elements = append(f.elements, element{src: start})
	f.out.WriteString("<" + name)
	closed, ok := f.attributes(name)
	f.out.WriteByte('>')
	if closed {
		f.pop()
	}
	return ok
}

// name returns the name that starts at offset i, "" if none does.
func (f *filter) name(i int) string {
	start := i
	for i < len(f.src) && isNameByte(f.src[i], i == start) {
		i++
	}
	return string(f.src[start:i])
}

func (f *filter) nameEnds(i int) bool {
	return i < len(f.src) && (isBlank(f.src[i]) || f.src[i] == '>' || f.src[i] == '/')
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isNameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		return true
	case '0' <= c && c <= '9', c == '-', c == '.':
		return !first
	default:
		return false
	}
}

// attributes reads up to the end of the tag and says whether it was closed
// with />, and whether reading can go on.
func (f *filter) attributes(element string) (closed, ok bool) {
	seen := map[string]bool{}
	for f.pos < len(f.src) {
		switch c := f.src[f.pos]; {
		case isBlank(c):
			f.pos++
		case c == '>':
			f.pos++
			return false, true
		case c == '/' && f.pos+1 < len(f.src) && f.src[f.pos+1] == '>':
			f.pos += 2
			return true, true
		default:
			if !f.attribute(seen) {
				return f.skipTag()
			}
		}
	}
	f.fatal(f.elements[len(f.elements)-1].src, "end it with >", "the tag <%s is not finished", element)
	return false, false
}

// skipTag goes to the end of a tag whose attributes are broken.
func (f *filter) skipTag() (closed, ok bool) {
	end := bytes.IndexByte(f.src[f.pos:], '>')
	if end < 0 {
		f.pos = len(f.src)
		return false, false
	}
	closed = end > 0 && f.src[f.pos+end-1] == '/'
	f.pos += end + 1
	return closed, true
}

// attribute reads name="value", or the same in single quotes.
func (f *filter) attribute(seen map[string]bool) bool {
	start := f.pos
	name := f.name(start)
	if name == "" {
		f.fatal(start, `write name="value"`, "%s starts no attribute", quote(string(f.src[start:start+1])))
		return false
	}
	f.pos += len(name)
	rest := f.src[f.pos:]
	if len(rest) < 2 || rest[0] != '=' || (rest[1] != '"' && rest[1] != '\'') {
		f.fatal(start, "write "+name+`="value", without blanks around =`, "attribute %s has no quoted value", name)
		return false
	}
	tag, _, _ := bytes.Cut(rest[2:], []byte(">"))
	end := bytes.IndexByte(tag, rest[1])
	if end < 0 {
		f.fatal(start, "close the quotes; a value can't hold >", "the value of attribute %s is not closed", name)
		return false
	}
	f.pos += 2 + end + 1
	if seen[name] {
		f.fatal(start, "keep one of them", "attribute %s stands here twice", name)
		return true
	}
	seen[name] = true
	f.writeAttribute(start, name, rest[2:2+end])
	return true
}

func (f *filter) writeAttribute(start int, name string, value []byte) {
	e := &f.elements[len(f.elements)-1]
	e.attrs = append(e.attrs, start)
	f.out.WriteString(" " + name + `="`)
	encode(&f.out, value)
	f.out.WriteByte('"')
}

// clip makes a name from a closing tag fit for a message.
func clip(name string) string {
	q := quote(name)
	return q[1 : len(q)-1]
}
