// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"bytes"
	"strconv"

	godiff "github.com/rogpeppe/go-internal/diff"
)

// WireNoDiff is what OSSEC 4.3 sends in place of the diff of a file that
// nodiff names.
const WireNoDiff = "<Diff truncated because nodiff option>"

// The limits of a diff on OSSEC's wire (observed in 2.8.3 and 4.3.0).
const (
	wireBuffer = 4095 // bytes of a diff that are looked at
	wireBytes  = 4000 // a diff as long as this is cut at its last newline
	wireNoLine = 256  // bytes kept where there is no newline to cut at
	wireLines  = 20
)

// NormalDiff returns the difference of two texts in the normal format of
// diff(1), which is what OSSEC appends to a message: "2a3\n> new line\n". It is
// nil if the texts are equal. Bytes are passed on as they are.
func NormalDiff(before, after []byte) []byte {
	var n normal
	hunks := skipLines(godiff.Diff("x", before, "y", after), 3)
	for line := range bytes.Lines(hunks) {
		n.line(line)
	}
	n.flush()
	return n.out.Bytes()
}

// normal turns the lines of a unified diff into commands of a normal diff.
type normal struct {
	out      bytes.Buffer
	old, new int // line numbers of the next line on either side
	del, add [][]byte
	last     *[][]byte // where a "\ No newline" line belongs
}

func (n *normal) line(b []byte) {
	switch b[0] {
	case '@':
		n.flush()
		n.old, n.new = hunkStart(b)
	case ' ':
		n.flush()
		n.old++
		n.new++
	case '-':
		n.del = append(n.del, b[1:])
		n.last = &n.del
	case '+':
		n.add = append(n.add, b[1:])
		n.last = &n.add
	case '\\':
		if n.last != nil {
			l := *n.last
			l[len(l)-1] = append(bytes.Clone(l[len(l)-1]), b...)
		}
	}
}

// flush writes the collected lines as one command and moves past them.
func (n *normal) flush() {
	d, a := len(n.del), len(n.add)
	switch {
	case d > 0 && a > 0:
		n.command(span(n.old, d), 'c', span(n.new, a))
	case d > 0:
		n.command(span(n.old, d), 'd', strconv.Itoa(n.new-1))
	case a > 0:
		n.command(strconv.Itoa(n.old-1), 'a', span(n.new, a))
	}
	n.old, n.new = n.old+d, n.new+a
	n.del, n.add, n.last = n.del[:0], n.add[:0], nil
}

func (n *normal) command(left string, verb byte, right string) {
	n.out.WriteString(left)
	n.out.WriteByte(verb)
	n.out.WriteString(right)
	n.out.WriteByte('\n')
	n.lines("< ", n.del)
	if verb == 'c' {
		n.out.WriteString("---\n")
	}
	n.lines("> ", n.add)
}

func (n *normal) lines(sign string, lines [][]byte) {
	for _, l := range lines {
		n.out.WriteString(sign)
		n.out.Write(l)
	}
}

func span(first, count int) string {
	if count == 1 {
		return strconv.Itoa(first)
	}
	return strconv.Itoa(first) + "," + strconv.Itoa(first+count-1)
}

// hunkStart reads the two line numbers of "@@ -3,4 +3,5 @@". An empty side is
// written as 0,0; the next line of it is still line 1.
func hunkStart(b []byte) (left, right int) {
	fields := bytes.Fields(b)
	if len(fields) < 3 {
		return 1, 1
	}
	return max(1, firstNumber(fields[1][1:])), max(1, firstNumber(fields[2][1:]))
}

func firstNumber(b []byte) int {
	head, _, _ := bytes.Cut(b, []byte(","))
	n, err := strconv.Atoi(string(head))
	if err != nil {
		return 0
	}
	return n
}

// TruncateForWire cuts a normal diff as OSSEC does: at most 20 lines and about
// 4,000 bytes, with a marker. sums is the number of fields in front of it on
// the wire: with 6 it is cut and marked as 2.8.3 does, with 7 as 4.3 does. As
// in OSSEC, the marker also stands behind a diff of exactly 20 lines.
func TruncateForWire(d []byte, sums int) []byte {
	marker, markAt, markBytes := "\nMore changes..", wireLines-1, false
	if sums >= 7 {
		marker, markAt, markBytes = "\n... diff was truncated ...", wireLines, true
	}
	short, cut := cutBytes(d)
	lines := bytes.Count(short, []byte("\n"))
	if lines < markAt && (!cut || !markBytes) {
		return short
	}
	short = firstLines(short, wireLines)
	short = bytes.TrimSuffix(short, []byte("\n"))
	return append(bytes.Clone(short), marker...)
}

func cutBytes(d []byte) ([]byte, bool) {
	if len(d) < wireBytes {
		return d, false
	}
	d = d[:min(len(d), wireBuffer)]
	if i := bytes.LastIndexByte(d, '\n'); i >= 0 {
		return d[:i], true
	}
	return d[:wireNoLine], true
}

// firstLines returns the first n lines of b.
func firstLines(b []byte, n int) []byte {
	end := 0
	for range n {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			return b
		}
		end += i + 1
	}
	return b[:end]
}
