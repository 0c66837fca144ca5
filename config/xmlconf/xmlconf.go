// SPDX-License-Identifier: Apache-2.0

// Package xmlconf reads the XML dialect of OSSEC's configuration files, which
// is no XML: a filter turns it into XML and notes where everything stood, etree
// makes the tree. It knows no element by name; what one means belongs to
// package config.
package xmlconf

import (
	"fmt"
	"sort"
	"strings"

	"github.com/beevik/etree"

	"hids/config/fault"
)

// MaxDepth is how deep elements may nest. OSSEC's files use four levels; OSSEC
// 4.x itself stops at 1,024.
const MaxDepth = 256

// MaxSize is the largest file that is read, in bytes: a bound on what a hostile
// agent.conf can cost, and thirty times the largest file that OSSEC ships.
const MaxSize = 1 << 20

// Node is an element.
type Node struct {
	Name     string
	Attrs    []Attr
	Children []*Node
	// Text is the content of an element without children, byte for byte: no
	// entity is decoded and nothing is trimmed, only comments are taken out.
	Text string
	Pos  fault.Pos // of the <

	lines *lines
	segs  []segment
}

// Attr is an attribute.
type Attr struct {
	Name, Value string
	Pos         fault.Pos
}

// Attr returns the value of an attribute.
func (n *Node) Attr(name string) (Attr, bool) {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a, true
		}
	}
	return Attr{}, false
}

// PosAt returns where the byte Text[offset] stood in the file, or the element's
// own position when it has no such byte.
func (n *Node) PosAt(offset int) fault.Pos {
	i := sort.Search(len(n.segs), func(i int) bool { return n.segs[i].text > offset })
	if i == 0 {
		return n.Pos
	}
	s := n.segs[i-1]
	return n.lines.pos(s.src + offset - s.text)
}

// Parse reads a whole file; name is for positions only. It returns the root
// elements, of which a file may have any number, none included. After a fatal
// fault the elements are what could still be made out.
//
// The dialect is OSSEC 4.3's: <!…--> and <!…!> are comments whatever is in
// them, \< is text, entities stay as they are, bytes need not be UTF-8. Beyond
// OSSEC, a blank in a closing tag (</x >) is taken.
func Parse(name string, data []byte) ([]*Node, fault.List) {
	f := &filter{src: data, lines: newLines(name, data)}
	if !f.precheck() {
		return nil, f.faults
	}
	f.run()
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = MaxDepth + 1
	if err := doc.ReadFromBytes(f.out.Bytes()); err != nil {
		f.faults.Fatalf(fault.Pos{File: name}, "", "read the elements: %v", err)
		return nil, f.faults
	}
	b := builder{f: f}
	return b.nodes(doc.ChildElements()), f.faults
}

// builder joins etree's elements with where they stood: both lists are in
// document order.
type builder struct {
	f    *filter
	next int
}

func (b *builder) nodes(elements []*etree.Element) []*Node {
	var nodes []*Node
	for _, e := range elements {
		nodes = append(nodes, b.node(e))
	}
	return nodes
}

func (b *builder) node(e *etree.Element) *Node {
	at := b.f.elements[b.next]
	b.next++
	n := &Node{Name: e.FullTag(), Pos: b.f.lines.pos(at.src), lines: b.f.lines, segs: at.segs}
	for i, a := range e.Attr {
		n.Attrs = append(n.Attrs, Attr{a.FullKey(), decode(a.Value), b.f.lines.pos(at.attrs[i])})
	}
	n.Children = b.nodes(e.ChildElements())
	if len(n.Children) == 0 {
		n.Text = decode(e.Text())
	} else if hasStrayText(e) {
		b.f.faults.Warnf(n.Pos, "", "text between the elements of <%s> means nothing", n.Name)
	}
	return n
}

// hasStrayText tells whether an element with children holds text as well.
func hasStrayText(e *etree.Element) bool {
	stray := strings.TrimSpace(e.Text()) != ""
	for child := range e.ChildElementsSeq() {
		stray = stray || strings.TrimSpace(child.Tail()) != ""
	}
	return stray
}

// segment says that Text from byte text on stood in the file from byte src on,
// up to the next segment.
type segment struct{ text, src int }

// lines finds line and column of an offset.
type lines struct {
	file   string
	starts []int
}

func newLines(file string, data []byte) *lines {
	l := &lines{file: file, starts: []int{0}}
	for i, c := range data {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

func (l *lines) pos(offset int) fault.Pos {
	line := sort.SearchInts(l.starts, offset+1)
	return fault.Pos{File: l.file, Line: line, Column: offset - l.starts[line-1] + 1}
}

// quote clips and quotes text of the file for a message.
func quote(s string) string {
	const limit = 60
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return fmt.Sprintf("%q", s)
}
