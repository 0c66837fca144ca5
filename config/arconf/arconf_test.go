// SPDX-License-Identifier: Apache-2.0

package arconf_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hids/config/arconf"
)

func exists(names ...string) func(string) bool {
	return func(exe string) bool {
		for _, n := range names {
			if n == exe {
				return true
			}
		}
		return false
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		about, line string
		want        string // name|executable|seconds, "" for no entry
		column      int    // of the fault; 0 for none
	}{
		{"plain", "host-deny600 - host-deny.sh - 600", "host-deny600|host-deny.sh|600", 0},
		{"CRLF", "a0 - a.sh - 10\r", "a0|a.sh|10", 0},
		{"comment", "# a - b - 1", "", 0},
		{"indented comment", "  # a - b - 1", "", 0},
		{"blank", " \t", "", 0},
		{"names with blanks", "my block60 - my block.sh - 60", "my block60|my block.sh|60", 0},
		{"hyphens in names", "a-b- - c-d -e - 5", "a-b-|c-d -e|5", 0},
		{"a fourth field belongs to the timeout", "a - b - c - 10", "a|b|0", 9},
		{"tabs", "a\t-\tb\t-\t1", "", 1},
		{"no timeout field", "a - b", "", 1},
		{"no name", " - b - 1", "", 1},
		{"garbage timeout", "a - b - x", "a|b|0", 9},
		{"empty timeout", "a - b - ", "a|b|0", 9},
		{"negative timeout", "a - b - -5", "a|b|-5", 9},
		{"signed timeout", "a - b -  +7", "a|b|7", 0},
		{"trailing text", "a - b - 7x", "a|b|7", 9},
		{"huge timeout", "a - b - 99999999999999999999999", "a|b|3153600000", 0},
		{"traversal", "a - ../x.sh - 0", "a||0", 5},
		{"traversal inside", "a - x/../../y - 0", "a||0", 5},
		{"traversal of Windows", `a - x\..\y - 0`, "a||0", 5},
		{"dots are no traversal", "a - ..x.sh - 0", "a|..x.sh|0", 0},
		{"rooted", "a - /bin/true - 0", "a|/bin/true|0", 0},
		{"no program", "a - / - 0", "a||0", 5},
		{"NUL", "a - b\x00c - 0", "a||0", 5},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			table, faults := arconf.Parse("ar.conf", []byte("\n"+tt.line+"\n"))
			got := ""
			for _, e := range table.Entries() {
				got += fmt.Sprintf("%s|%s|%d", e.Name, e.Executable, e.Timeout/time.Second)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (tt.column != 0) != (len(faults) == 1) {
				t.Fatalf("faults: %v", faults)
			}
			if tt.column != 0 && (faults[0].Pos.Line != 2 || faults[0].Pos.Column != tt.column || faults[0].Fatal) {
				t.Errorf("fault %+v, want column %d", faults[0], tt.column)
			}
		})
	}
}

func TestLookupOfDuplicates(t *testing.T) {
	table, faults := arconf.Parse("ar.conf", []byte(strings.Join([]string{
		"restart-ossec0 - restart-ossec.sh - 0",
		"restart-ossec0 - restart-ossec.cmd - 30",
		"refused - ../x - 5",
		"refused - y - 6",
	}, "\n")))
	if len(faults) != 1 || table.Len() != 4 {
		t.Fatalf("%d entries, faults %v", table.Len(), faults)
	}
	tests := []struct {
		about, name, want string
		timeout           time.Duration
		exists            func(string) bool
	}{
		{"both exist: the first", "restart-ossec0", "restart-ossec.sh", 0, exists("restart-ossec.sh", "restart-ossec.cmd")},
		{"only the second: its program, the first's timeout", "restart-ossec0", "restart-ossec.cmd", 0, exists("restart-ossec.cmd")},
		{"none: no program", "restart-ossec0", "", 0, exists()},
		{"the first was refused", "refused", "y", 5 * time.Second, exists("y", "../x", "")},
	}
	for _, tt := range tests {
		e, ok := table.Lookup(tt.name, tt.exists)
		if !ok || e.Executable != tt.want || e.Timeout != tt.timeout {
			t.Errorf("%s: %+v, %v", tt.about, e, ok)
		}
	}
	if _, ok := table.Lookup("restart-ossec", exists()); ok {
		t.Error("a prefix of a name was found")
	}
}

func TestParseTakesAnySize(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "r%d - %s - %d\n", i, strings.Repeat("x", i), i)
	}
	table, faults := arconf.Parse("ar.conf", []byte(b.String()))
	if table.Len() != 5000 || len(faults) != 1 { // r0 has no program
		t.Fatalf("%d entries, %d faults", table.Len(), len(faults))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("restart-ossec0 - restart-ossec.sh - 0\r\nrestart-ossec0 - restart-ossec.cmd - 0\n"))
	f.Add([]byte("\xef\xbb\xbf# c\n\na b - ../c d - -12x\n - - - \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, faults := arconf.Parse("f", data)
		lines := strings.Count(string(data), "\n") + 1
		for _, e := range table.Entries() {
			if e.Name == "" || e.Pos.Line < 1 || e.Pos.Line > lines {
				t.Fatalf("entry %+v", e)
			}
			for _, part := range strings.FieldsFunc(e.Executable, func(r rune) bool { return r == '/' || r == '\\' }) {
				if part == ".." {
					t.Fatalf("traversal in %q", e.Executable)
				}
			}
			if _, ok := table.Lookup(e.Name, exists()); !ok {
				t.Fatalf("%q is not found", e.Name)
			}
		}
		for _, ft := range faults {
			if ft.Fatal || ft.Pos.Line > lines || strings.ContainsAny(ft.Message, "\x1b\n\x00") {
				t.Fatalf("fault %+v", ft)
			}
		}
	})
}
