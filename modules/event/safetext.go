// SPDX-License-Identifier: Apache-2.0

package event

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SafeText makes text from outside safe to print, log and send: control
// characters, invalid UTF-8, bidirectional overrides and the backslash itself
// become \n, \t, \xNN or \uNNNN; everything else stays. Different inputs give
// different outputs, so it can stand for a file name in a key.
func SafeText(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		writeSafe(&b, r, s[:n])
		s = s[n:]
	}
	return b.String()
}

func isSafe(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r == '\\' || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func writeSafe(b *strings.Builder, r rune, raw string) {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		b.WriteString(`\x`)
		b.WriteString(strconv.FormatUint(uint64(raw[0])|0x100, 16)[1:])
	case r == '\\':
		b.WriteString(`\\`)
	case unicode.IsPrint(r):
		b.WriteString(raw)
	default:
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
}
