// SPDX-License-Identifier: Apache-2.0

package match

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is what can be matched without a copy.
type text interface{ ~string | ~[]byte }

type kind uint8

const (
	never kind = iota
	always
	empty // only the empty subject
	substring
	prefix
	suffix
	whole
)

// alternative is one piece between |. Its literal is kept as folded symbols:
// code points in the smallest form of their case orbit, and bytes that are no
// UTF-8 as values above every code point, so that each matches only itself.
type alternative struct {
	kind kind
	lit  []rune
	fail []int32 // Knuth, Morris and Pratt's table: a search never steps back
}

// parseAlternative reads ^ and $ as OSSEC 4.3 (PCRE2) does: anchors wherever
// they stand, so that one on the wrong side of a literal can never match.
func parseAlternative(s string) alternative {
	body := strings.TrimLeft(s, "^$")
	head := s[:len(s)-len(body)]
	lit := strings.TrimRight(body, "^$")
	tail := body[len(lit):]
	if lit == "" {
		return alternative{kind: anchorsOnly(head)}
	}
	if strings.ContainsAny(lit, "^$") || strings.Contains(head, "$") || strings.Contains(tail, "^") {
		return alternative{kind: never}
	}
	a := alternative{kind: literalKind(head != "", tail != ""), lit: foldAll(lit)}
	if a.kind == substring {
		a.fail = failureTable(a.lit)
	}
	return a
}

func anchorsOnly(anchors string) kind {
	if strings.Contains(anchors, "^") && strings.Contains(anchors, "$") {
		return empty
	}
	return always
}

func literalKind(start, end bool) kind {
	switch {
	case start && end:
		return whole
	case start:
		return prefix
	case end:
		return suffix
	default:
		return substring
	}
}

func foldAll(s string) []rune {
	var lit []rune
	for i := 0; i < len(s); {
		r, n := symbol(s, i)
		lit = append(lit, r)
		i += n
	}
	return lit
}

// symbol decodes and folds what starts at s[i].
func symbol[T text](s T, i int) (rune, int) {
	c := s[i]
	if c < utf8.RuneSelf {
		return rune(lower(c)), 1
	}
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], s[i:min(len(s), i+utf8.UTFMax)])
	return decode(buf[:n])
}

func decode(b []byte) (rune, int) {
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return unicode.MaxRune + 1 + rune(b[0]), 1
	}
	return fold(r), n
}

// lastSymbol decodes and folds what ends at s[end-1].
func lastSymbol[T text](s T, end int) (rune, int) {
	c := s[end-1]
	if c < utf8.RuneSelf {
		return rune(lower(c)), 1
	}
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], s[max(0, end-utf8.UTFMax):end])
	r, size := utf8.DecodeLastRune(buf[:n])
	if r == utf8.RuneError && size == 1 {
		return unicode.MaxRune + 1 + rune(c), 1
	}
	return fold(r), size
}

func lower(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		return c + ('a' - 'A')
	}
	return c
}

// fold gives one representative for all cases of a letter. Letters outside of
// ASCII never fold into it: the Kelvin sign is no k, as it is none in a byte
// compare.
func fold(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if f >= utf8.RuneSelf && f < least {
			least = f
		}
	}
	return least
}

func failureTable(lit []rune) []int32 {
	fail := make([]int32, len(lit))
	k := int32(0)
	for i := 1; i < len(lit); i++ {
		for k > 0 && lit[k] != lit[i] {
			k = fail[k-1]
		}
		if lit[k] == lit[i] {
			k++
		}
		fail[i] = k
	}
	return fail
}

func contains[T text](a *alternative, s T) bool {
	k := int32(0)
	for i := 0; i < len(s); {
		r, n := symbol(s, i)
		i += n
		for k > 0 && a.lit[k] != r {
			k = a.fail[k-1]
		}
		if a.lit[k] == r {
			k++
		}
		if int(k) == len(a.lit) {
			return true
		}
	}
	return false
}

// hasPrefix returns how many bytes of s the literal takes, or -1.
func hasPrefix[T text](a *alternative, s T) int {
	i := 0
	for _, want := range a.lit {
		if i >= len(s) {
			return -1
		}
		r, n := symbol(s, i)
		if r != want {
			return -1
		}
		i += n
	}
	return i
}

func hasSuffix[T text](a *alternative, s T) bool {
	end := len(s)
	for k := len(a.lit) - 1; k >= 0; k-- {
		if end == 0 {
			return false
		}
		r, n := lastSymbol(s, end)
		if r != a.lit[k] {
			return false
		}
		end -= n
	}
	return true
}
