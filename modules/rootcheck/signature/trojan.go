// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Trojan is a pattern that no string in a genuine program matches.
type Trojan struct {
	Program string // a base name, or an absolute path
	Pattern string // POSIX extended, as written
	Note    string // "Generic" if there is none
	Origin  string
	Line    int

	re *regexp.Regexp
}

// ParseTrojans reads a rootkit_trojans list: "program !pattern!description".
// The second ! is required, as in OSSEC. A pattern that does not compile is a
// Fault; OSSEC logs it anew for every string it looks at.
func ParseTrojans(origin string, data []byte) ([]Trojan, []Fault) {
	var list []Trojan
	faults := eachLine(origin, data, func(text string, line int) string {
		t, why := parseTrojan(text)
		if why == "" {
			t.Origin, t.Line = origin, line
			list = append(list, t)
		}
		return why
	})
	return list, faults
}

func parseTrojan(text string) (t Trojan, why string) {
	parts := strings.SplitN(text, "!", 3)
	if len(parts) < 3 {
		return t, "write program !pattern!description; the second ! is required"
	}
	for i := range parts {
		parts[i] = strings.Trim(parts[i], blanks)
	}
	t = Trojan{Program: parts[0], Pattern: parts[1], Note: parts[2]}
	if t.Program == "" || t.Pattern == "" {
		return t, "no program or no pattern"
	}
	if t.Note == "" {
		t.Note = "Generic"
	}
	re, err := compile(t.Pattern)
	if err != nil {
		return t, fmt.Sprintf("pattern does not compile: %v", err)
	}
	t.re = re
	return t, ""
}

// compile takes POSIX ERE, and what glibc accepts beyond it (\w, \b …) as far
// as RE2 has it too.
func compile(pattern string) (*regexp.Regexp, error) {
	if re, err := regexp.CompilePOSIX(pattern); err == nil {
		return re, nil
	}
	return regexp.Compile(pattern)
}

// Paths returns where the program may be: the path itself if it is absolute,
// else in the four folders that OSSEC looks in, below base.
func (t *Trojan) Paths(base string) []string {
	if strings.HasPrefix(t.Program, "/") {
		return []string{t.Program}
	}
	var out []string
	for _, dir := range []string{"bin", "sbin", "usr/bin", "usr/sbin"} {
		out = append(out, path.Join("/", base, dir, t.Program))
	}
	return out
}

// Match returns the first of the list that a string in r matches, or nil. A
// string is what OSSEC takes for one: at least 4 bytes of 0x20 to 0x7e and TAB,
// cut after 1,024.
func Match(ctx context.Context, r io.Reader, list []*Trojan) (*Trojan, error) {
	var hit *Trojan
	err := eachString(ctx, r, func(s []byte) bool {
		for _, t := range list {
			if t.re.Match(s) {
				hit = t
				return false
			}
		}
		return true
	})
	return hit, err
}

const (
	minString = 4
	maxString = 1024
)

// eachString calls yield with each printable string until it returns false.
// The slice is only good during the call.
func eachString(ctx context.Context, r io.Reader, yield func([]byte) bool) error {
	buf := make([]byte, 64<<10)
	run := make([]byte, 0, maxString)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if printable(c) && len(run) < maxString {
				run = append(run, c)
				continue
			}
			// At the cut the byte is dropped and a new string begins.
			if len(run) >= minString && !yield(run) {
				return nil
			}
			run = run[:0]
		}
		if err == io.EOF {
			if len(run) >= minString {
				yield(run)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func printable(c byte) bool { return c == '\t' || c >= 0x20 && c <= 0x7e }
