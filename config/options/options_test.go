// SPDX-License-Identifier: Apache-2.0

package options_test

import (
	"os"
	"strings"
	"testing"

	"hids/config/options"
	"hids/internal/testenv"
)

func TestInt(t *testing.T) {
	shipped, faults := options.Parse("internal", []byte("# c\n\n syscheck.sleep=9\r\nsyscheck.sleep=2\r\nsyscheck.sleep=3\nsyscheck.debug=\nagent.x=1x\n"))
	if faults != nil {
		t.Fatal(faults)
	}
	local, _ := options.Parse("local", []byte("syscheck.sleep_after=99999\nsyscheck.big=99999999999999999999\nrootcheck.sleep=-1"))
	o := options.Options{local, shipped}
	tests := []struct {
		key   string
		want  int
		pos   string
		fault string
	}{
		{"syscheck.sleep", 2, "internal:4:16", ""}, // the line with a blank in front says nothing
		{"syscheck.debug", 0, "internal:6:16", ""},
		{"syscheck.missing", 7, "default", ""},
		{"syscheck.sleep_after", 7, "local:1:22", "local:1:22: syscheck.sleep_after is \"99999\"\n  hint: write 0 to 64"},
		{"syscheck.big", 7, "local:2:14", "local:2:14: "},
		{"rootcheck.sleep", 7, "local:3:17", "local:3:17: "},
		{"agent.x", 7, "internal:7:9", "internal:7:9: "},
	}
	for _, tt := range tests {
		n, faults := o.Int(tt.key, 0, 64, 7)
		if n.Value != tt.want || n.Pos.String() != tt.pos {
			t.Errorf("%s: %+v", tt.key, n)
		}
		if (tt.fault == "") != (faults.Err() == nil) || !strings.HasPrefix(faults.Error(), tt.fault) {
			t.Errorf("%s: %v", tt.key, faults)
		}
	}
}

func TestParseTellsMalformedLines(t *testing.T) {
	_, faults := options.Parse("f", []byte("syscheck.sleep = 2\nsyscheck=1\n\tx.y=1\nnonsense\n"))
	if len(faults) != 2 || faults.Fatal() || faults[0].Pos.Line != 2 || faults[1].Pos.Line != 4 {
		t.Errorf("faults: %v", faults)
	}
}

func TestStockFiles(t *testing.T) {
	for _, version := range []string{"2.8.3", "4.3.0"} {
		name := testenv.Shared(t, "vectors", "stock", version, "internal_options.conf")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, faults := options.Parse(name, data)
		sleep, _ := options.Options{f}.Int("syscheck.sleep", 0, 64, -1)
		after, _ := options.Options{f}.Int("syscheck.sleep_after", 1, 9999, -1)
		if faults != nil || sleep.Value != 2 || after.Value != 15 {
			t.Errorf("%s: %v, %v, faults %v", version, sleep, after, faults)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# c\nsyscheck.sleep=2\r\n x\nbad\na.b=\xff\x1b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, faults := options.Parse("f", data)
		n, more := options.Options{file}.Int("a.b", 1, 9, 5)
		if n.Value < 1 || n.Value > 9 {
			t.Fatalf("%+v is out of range", n)
		}
		for _, ft := range append(faults, more...) {
			if strings.ContainsAny(ft.Error(), "\x1b\x00\r") {
				t.Fatalf("raw text in %q", ft.Error())
			}
		}
	})
}
