// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"regexp"
	"strings"
)

// rule makes alike what differs from run to run.
type rule struct {
	find *regexp.Regexp
	put  string
}

// rules are applied in this order: times hold numbers, sums hold digits.
func rules() []rule {
	return []rule{
		{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?Z| UTC|[+-]\d\d:?\d\d)?`), "TIME"},
		{regexp.MustCompile(`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d`), "TIME"},
		{regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`), "TIME"},
		{regexp.MustCompile(`\b[0-9a-f]{8,}\b`), "SUM"},
		{regexp.MustCompile(`\b\d[\d,.]*( ?([KMG]i?)?B| ?[mµn]?s|[hmd]| ?min)(\d[\d.]*[mµ]?[ms])*\b(/s)?`), "AMOUNT"},
		{regexp.MustCompile(`\b\d{1,3}(,\d{3})+\b`), "COUNT"},
		{regexp.MustCompile(`\b\d+ (files|checked|processes|watches)\b`), "COUNT $1"},
		{regexp.MustCompile(`\b(pid|process|size|inode|device|sequence)([ :="]+)\d+( → \d+)?\b`), "$1$2N"},
		{regexp.MustCompile(`/tmp/tmp\.\w+`), "TEMP"},
		{regexp.MustCompile(`\s+`), " "},
	}
}

// normal makes lines comparable.
func normal(lines []string) []string {
	var out []string
	all := rules()
	for _, line := range lines {
		for _, r := range all {
			line = r.find.ReplaceAllString(line, r.put)
		}
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// elision stands for what is left out: alone for any lines, in a line for any
// text.
const elision = "[...]"

// Same says whether what was printed is what is shown. Times, sums, sizes,
// durations, large counts and white space may differ.
func Same(shown, printed []string) bool {
	return sameLines(normal(shown), normal(printed))
}

func sameLines(want, got []string) bool {
	for i, line := range want {
		if line == elision {
			for skip := i; skip <= len(got); skip++ {
				if sameLines(want[i+1:], got[skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || !sameLine(line, got[i]) {
			return false
		}
	}
	return len(want) == len(got)
}

func sameLine(want, got string) bool {
	if !strings.Contains(want, elision) {
		return want == got
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), regexp.QuoteMeta(elision), ".*")
	matched, err := regexp.MatchString("^"+pattern+"$", got)
	return err == nil && matched
}
