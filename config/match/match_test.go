// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"hids/config/match"
)

// row is one line of regex.tsv: a verdict recorded from OSSEC 4.3.0.
type row struct {
	line             int
	mode             string
	pattern, subject string
	want             bool
}

func vectors(t testing.TB) []row {
	t.Helper()
	f, err := os.Open("testdata/regex.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		cols := strings.Split(sc.Text(), "\t")
		end := len(cols) - 2 // a subject may hold tabs
		rows = append(rows, row{n, cols[0], cols[1], strings.Join(cols[2:end], "\t"), cols[end+1] == "1"})
	}
	if sc.Err() != nil {
		t.Fatal(sc.Err())
	}
	return rows
}

func verdict(r row) (asString, asBytes bool) {
	if r.mode == "M" {
		m, err := match.Compile(r.pattern)
		if err != nil {
			return false, false
		}
		return m.MatchString(r.subject), m.MatchBytes([]byte(r.subject))
	}
	re, err := match.CompileRegex(r.pattern)
	if err != nil {
		return false, false
	}
	return re.MatchString(r.subject), re.MatchBytes([]byte(r.subject))
}

func TestAgreesWithOSSEC(t *testing.T) {
	rows := vectors(t)
	if len(rows) < 3900 {
		t.Fatalf("only %d vectors", len(rows))
	}
	for _, r := range rows {
		s, b := verdict(r)
		if s != r.want || b != r.want {
			t.Errorf("line %d: %s %q on %q: string %v, bytes %v, want %v",
				r.line, r.mode, r.pattern, r.subject, s, b, r.want)
		}
	}
}

func TestMatchBeyondASCII(t *testing.T) {
	tests := []struct {
		pattern, subject string
		want             bool
	}{
		{"café", "/srv/CAFÉ/x", true},
		{"^É$", "é", true},
		{"É$", "xé", true},
		{"k", "\u212a", false}, // the Kelvin sign
		{"\xe9", "caf\xe9", true},
		{"\xe9", "caf\xe8", false},
		{"\xe9$", "caf\xe9", true},
		{"\xa9$", "é", false}, // the second half of é is no byte of its own
		{"a\x00b", "xa\x00B", true},
		{".log$", "x.log\n", false},
	}
	for _, tt := range tests {
		m, err := match.Compile(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.MatchString(tt.subject); got != tt.want {
			t.Errorf("%q on %q: %v, want %v", tt.pattern, tt.subject, got, tt.want)
		}
	}
}

func TestImpossibleAndEverything(t *testing.T) {
	tests := []struct {
		pattern, impossible string
		everything          bool
	}{
		{"a|b$c|d", "b$c", false},
		{"a|", "", true},
		{"^", "", true},
		{"^$", "", false},
		{"", "", true},
		{"^/a$", "", false},
	}
	for _, tt := range tests {
		m, err := match.Compile(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if m.Impossible() != tt.impossible || m.Everything() != tt.everything {
			t.Errorf("%q: impossible %q, everything %v", tt.pattern, m.Impossible(), m.Everything())
		}
	}
}

func TestRegexRefuses(t *testing.T) {
	for _, p := range []string{`\x`, `\`, `a\`, `(a`, `a)`, `\\(+a)`, `\\|+`, strings.Repeat("a", match.MaxPattern+1)} {
		if _, err := match.CompileRegex(p); err == nil {
			t.Errorf("%q compiles", p)
		}
	}
	if _, err := match.Compile(strings.Repeat("a", match.MaxPattern+1)); err == nil {
		t.Error("a pattern over the limit compiles")
	}
}

func TestRegexQuantifierBehindDoubleBackslash(t *testing.T) {
	re, err := match.CompileRegex(`^\\d+$`)
	if err != nil {
		t.Fatal(err)
	}
	if !re.MatchString(`\ddd`) || re.MatchString(`\123`) {
		t.Error("OSSEC repeats the letter d here")
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	m, _ := match.Compile("^/var/log|.swp$|cache|é")
	re, _ := match.CompileRegex(`^\s*PermitRootLogin\.+no|\d+\.\d+$`)
	subject := "/home/someone/projects/thing/file.go"
	raw := []byte(subject)
	allocs := testing.AllocsPerRun(1000, func() {
		_ = m.MatchString(subject)
		_ = m.MatchBytes(raw)
		_ = re.MatchString(subject)
		_ = re.MatchBytes(raw)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per match", allocs)
	}
}

// A search that steps back would need 2^31 comparisons here, one that tries
// all ways 2^4096.
func TestHostileSubjects(t *testing.T) {
	subject := strings.Repeat("a", 1<<20)
	m, err := match.Compile(strings.Repeat("a", 4000) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if m.MatchString(subject) {
		t.Error("matched what is not there")
	}
	re, err := match.CompileRegex(strings.Repeat(`\.*a`, 12) + "b$")
	if err != nil {
		t.Fatal(err)
	}
	if re.MatchString(subject[:1<<14]) {
		t.Error("matched what is not there")
	}
}

func FuzzMatch(f *testing.F) {
	for _, r := range vectors(f)[:200] {
		f.Add(r.pattern, r.subject)
	}
	f.Add("\xe9|É$|^ß", "caf\xc3")
	f.Fuzz(func(t *testing.T, pattern, subject string) {
		m, err := match.Compile(pattern)
		if err != nil {
			return
		}
		if m.String() != pattern {
			t.Fatalf("String() = %q", m.String())
		}
		got := m.MatchString(subject)
		if got != m.MatchBytes([]byte(subject)) {
			t.Fatal("string and bytes differ")
		}
		if m.Everything() && !got {
			t.Fatal("Everything() but no match")
		}
		if !strings.ContainsAny(pattern, "^$|") && strings.Contains(subject, pattern) && !got && validBoundary(pattern) {
			t.Fatalf("%q contains %q", subject, pattern)
		}
	})
}

// validBoundary leaves out patterns that are the torn half of a code point.
func validBoundary(p string) bool {
	for i := range len(p) {
		if p[i] >= 0x80 {
			return false
		}
	}
	return true
}

func FuzzRegex(f *testing.F) {
	for _, r := range vectors(f)[:400] {
		f.Add(r.pattern, r.subject)
	}
	f.Add(`foo((bar)|\\d+)`, "foobar")
	f.Fuzz(func(t *testing.T, pattern, subject string) {
		re, err := match.CompileRegex(pattern)
		if err != nil {
			return
		}
		if re.String() != pattern {
			t.Fatalf("String() = %q", re.String())
		}
		if re.MatchString(subject) != re.MatchBytes([]byte(subject)) {
			t.Fatal("string and bytes differ")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	m, _ := match.Compile(".log$|.swp$|cache|^/proc")
	for b.Loop() {
		_ = m.MatchString("/usr/share/doc/some-package/examples/file.txt")
	}
}

func BenchmarkRegex(b *testing.B) {
	re, _ := match.CompileRegex(`^\s*PermitRootLogin\.+no`)
	for b.Loop() {
		_ = re.MatchString("PermitRootLogin prohibit-password # see sshd_config(5)")
	}
}
