// SPDX-License-Identifier: Apache-2.0

package config

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config/match"
)

func configurePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/configure.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestEveryOptionIsDocumented keeps docs/configure.md complete.
func TestEveryOptionIsDocumented(t *testing.T) {
	page := configurePage(t)
	l := &loader{cfg: Default()}
	all := names(l.syscheckElements(), l.syscheckOwn(), l.rootcheckElements(), l.rootcheckOwn(), l.responseOwn(), l.settingsElements())
	all = append(all, meaningless...)
	for name := range checkBits {
		all = append(all, name)
	}
	for _, name := range append(all, directoryAttrs...) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not in docs/configure.md", name)
		}
	}
}

// documented is one row of a table of options.
type documented struct {
	section  string
	names    []string
	fallback string // the default
	examples []string
}

var inBackticks = regexp.MustCompile("`([^`]+)`")

func backticked(cell string) []string {
	var list []string
	for _, m := range inBackticks.FindAllStringSubmatch(cell, -1) {
		list = append(list, strings.ReplaceAll(m[1], `\|`, "|"))
	}
	return list
}

// optionRows reads the tables of configure.md that have an example in each row.
func optionRows(t *testing.T) []documented {
	t.Helper()
	var rows []documented
	section, heading := "", regexp.MustCompile("^##+ `<([a-z-]+)>`")
	inside := false
	for line := range strings.Lines(configurePage(t)) {
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		if strings.HasPrefix(line, "| element |") || strings.HasPrefix(line, "| attribute |") {
			inside = true
			continue
		}
		inside = inside && strings.HasPrefix(line, "|")
		if !inside || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 6 {
			t.Errorf("this row has no example, or no default: %s", line)
			continue
		}
		rows = append(rows, documented{section, backticked(cells[1]), strings.TrimSpace(cells[2]), backticked(cells[3])})
	}
	if len(rows) < 50 {
		t.Fatalf("only %d rows: are the tables still found?", len(rows))
	}
	return rows
}

// asFile makes a hids.conf of what stands in one section.
func asFile(section, text string) string {
	if section == "directories" {
		section, text = "syscheck", "<directories "+text+">/etc</directories>"
	}
	return "<hids_config><" + section + ">" + text + "</" + section + "></hids_config>"
}

// loadText loads a hids.conf, beside an ossec.conf that sets nothing.
func loadText(t *testing.T, text string) (*Config, Faults) {
	t.Helper()
	files := map[string]string{
		"ossec.conf": "<ossec_config><syscheck><directories>/srv</directories></syscheck></ossec_config>",
		"hids.conf":  text,
	}
	return Load(t.Context(), LoadOptions{OssecConf: "ossec.conf", HidsConf: "hids.conf", ReadFile: func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}})
}

// TestExamplesOfOptions loads each example: without a fault, but for whodata,
// which means less here than where it comes from.
func TestExamplesOfOptions(t *testing.T) {
	for _, row := range optionRows(t) {
		if len(row.examples) == 0 {
			t.Errorf("%v: no example", row.names)
		}
		for _, example := range row.examples {
			if !slices.ContainsFunc(row.names, func(name string) bool { return strings.Contains(example, name) }) {
				t.Errorf("%s is no example for %v", example, row.names)
			}
			_, faults := loadText(t, asFile(row.section, example))
			if warned := slices.Contains(row.names, "whodata"); faults.Fatal() || len(faults) > 0 != warned {
				t.Errorf("%s in <%s>: %v", example, row.section, faults)
			}
		}
	}
}

// TestDefaultsOfOptions writes each default down as the page tells it: nothing
// changes.
func TestDefaultsOfOptions(t *testing.T) {
	ignore := cmp.Options{
		cmp.FilterPath(func(p cmp.Path) bool {
			return slices.Contains([]string{"Origins", "Files", "Pos"}, p.Last().String()[1:])
		}, cmp.Ignore()),
		cmp.Comparer(func(a, b *match.Match) bool { return (a == nil) == (b == nil) }),
	}
	compared := 0
	for _, row := range optionRows(t) {
		value, _, _ := strings.Cut(row.fallback, " ")
		if row.section == "directories" || slices.Contains([]string{"none", "–", "off", "built-in"}, value) {
			continue
		}
		for _, name := range row.names {
			base, _ := loadText(t, "<hids_config></hids_config>")
			got, faults := loadText(t, asFile(row.section, "<"+name+">"+value+"</"+name+">"))
			if faults.Fatal() {
				t.Errorf("the default of %s is said to be %q: %v", name, value, faults)
				continue
			}
			if diff := cmp.Diff(base, got, ignore); diff != "" {
				t.Errorf("the default of %s is not %q (-is +said):\n%s", name, value, diff)
			}
			compared++
		}
	}
	if compared < 40 {
		t.Errorf("only %d defaults were compared", compared)
	}
}
