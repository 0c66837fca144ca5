// SPDX-License-Identifier: Apache-2.0

package xmlconf

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// opaque is the first of 256 private code points that stand for bytes which
// XML can't hold: control characters, and what is no UTF-8. A file's own code
// points from here on are written as four such bytes, so that decode gives back
// every byte as it was.
const opaque = 0x10FF00

// encode writes text so that encoding/xml reads it back unchanged: nothing in
// it is markup, and carriage returns survive.
func encode(out *bytes.Buffer, text []byte) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '>':
			out.WriteString("&gt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '"':
			out.WriteString("&#34;")
		case r == '\n' || r == '\t' || (r >= ' ' && r < 0xFFFE && !isTorn(r, n)) || (r > 0xFFFF && r < opaque):
			out.Write(text[:n])
		default:
			for _, c := range text[:n] {
				out.WriteRune(opaque + rune(c))
			}
		}
		text = text[n:]
	}
}

func isTorn(r rune, n int) bool { return r == utf8.RuneError && n == 1 }

// decode turns opaque code points into the bytes they stand for.
func decode(s string) string {
	if strings.IndexFunc(s, isOpaque) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isOpaque(r) {
			b.WriteByte(byte(r - opaque))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isOpaque(r rune) bool { return r >= opaque }
