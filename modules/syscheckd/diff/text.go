// SPDX-License-Identifier: Apache-2.0

// Package diff shows what changed inside a file: it keeps compressed copies of
// the text files that report_changes asks for, and makes unified diffs for
// people and OSSEC's normal diffs for the wire. Which files are wanted, when
// they are read and what is done with a diff is decided elsewhere; a file that
// nodiff names must never be given to a Store.
package diff

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	godiff "github.com/rogpeppe/go-internal/diff"
)

// MaxUnified is how many bytes of a unified diff are kept; the rest is
// replaced by a line that says how much is missing.
const MaxUnified = 32 << 10

// Unified returns the unified diff of two texts, safe to print: control
// characters other than tab and newline, invalid UTF-8 and bidirectional
// overrides are written as \xNN or \uNNNN. It is cut at MaxUnified bytes with
// a last line that says so, and empty if the texts are equal.
func Unified(oldName, newName string, before, after []byte) string {
	raw := godiff.Diff("x", before, "y", after)
	hunks := skipLines(raw, 3) // "diff x y", "--- x", "+++ y"
	if len(hunks) == 0 {
		return ""
	}
	head := "--- " + oldName + "\n+++ " + newName + "\n"
	return head + capText(safeLines(hunks), MaxUnified-len(head))
}

func skipLines(b []byte, n int) []byte {
	for range n {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return b
}

// capText keeps whole lines of s within limit bytes.
func capText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := strings.LastIndexByte(s[:limit], '\n') + 1
	missing := strings.Count(s[cut:], "\n")
	return s[:cut] + fmt.Sprintf("... diff cut here: %d more lines\n", missing)
}

// safeLines is event.SafeText for a text of many lines: it leaves newlines,
// tabs and backslashes, which belong to the content, as they are.
func safeLines(b []byte) string {
	var out strings.Builder
	out.Grow(len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		writeSafe(&out, r, b[:n])
		b = b[n:]
	}
	return out.String()
}

func writeSafe(out *strings.Builder, r rune, raw []byte) {
	switch {
	case r == '\n' || r == '\t' || r != utf8.RuneError && unicode.IsPrint(r):
		out.Write(raw)
	case r == utf8.RuneError && len(raw) == 1:
		fmt.Fprintf(out, `\x%02x`, raw[0])
	default:
		q := strconv.QuoteRune(r)
		out.WriteString(q[1 : len(q)-1])
	}
}

// IsText says whether content can be shown as lines: it holds no NUL byte.
// Encodings other than UTF-8 count as text, as for diff(1).
func IsText(b []byte) bool { return bytes.IndexByte(b, 0) < 0 }
