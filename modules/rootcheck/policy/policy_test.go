// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/platform/hostfile"
)

// recorded is the folder of policies that OSSEC 2.8.3 and 4.3.0 ran.
func recorded(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "rcl"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// answers evaluates a policy and writes its true rules as OSSEC does, with
// @RCL@ for the folder, and the faults as line numbers and texts.
func answers(t *testing.T, data string) (messages []string, faults []Fault) {
	t.Helper()
	dir := recorded(t)
	p := Parse("policy", []byte(strings.ReplaceAll(data, "@RCL@", dir)))
	results, err := Evaluate(t.Context(), p, testHost(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.True() {
			continue
		}
		for _, m := range wire(r) {
			messages = append(messages, strings.ReplaceAll(m, dir, "@RCL@"))
		}
	}
	return messages, p.Faults
}

func testHost(t *testing.T) *Host {
	t.Helper()
	files, err := hostfile.New("")
	if err != nil {
		t.Fatal(err)
	}
	return &Host{FS: files, Procs: func() ([]string, error) { return []string{"init", "bash"}, nil }}
}

func wire(r Result) []string {
	ref := ""
	if r.Rule.Reference != "" {
		ref = " Reference: " + r.Rule.Reference + " ."
	}
	if len(r.Details) == 0 {
		return []string{r.Rule.Name + "." + ref}
	}
	var out []string
	for _, d := range r.Details {
		kind := " File: "
		if d.Process {
			kind = " Process: "
		}
		out = append(out, r.Rule.Name+"."+kind+d.Text+"."+ref)
	}
	return out
}

// fixed is what differs from the recording on purpose (docs/compatibility.md).
func fixed() map[string][]string {
	a, b := "File: @RCL@/A.", "File: @RCL@/B."
	php := func(name, ref string) []string {
		var out []string
		for _, f := range []string{"c,d.php", "one.php", "sub/two.php"} {
			out = append(out, name+". File: @RCL@/d/"+f+"."+ref)
		}
		return out
	}
	return map[string][]string{
		// A list means any of its paths.
		"03 list literal second":        {"03 list literal second. " + b},
		"04 list var second":            {"04 list var second. " + b},
		"05 list literal third pattern": {"05 list literal third pattern. File: @RCL@/C."},
		"06 list var second pattern":    {"06 list var second pattern. " + b},
		// A ! before the type negates.
		"08 !f prefix":          {"08 !f prefix."},
		"09 !f prefix existing": nil,
		// && is found wherever it stands.
		"16 and with space in first":        {"16 and with space in first. " + a},
		"18 and three with space in second": {"18 and three with space in second. " + a},
		// A comma in a name is part of it.
		"29 d match":            php("29 d match", " Reference: r ."),
		"30 d match pattern":    php("30 d match pattern", " Reference: r ."),
		"32 d then f: multiple": {"32 d then f: multiple. File: @RCL@/d/c,d.php."},
		"33 f then d":           append([]string{"33 f then d. " + a}, php("33 f then d", "")...),
	}
}

// TestRecordedRules replays the rules whose results in both versions of OSSEC
// were recorded.
func TestRecordedRules(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(recorded(t), "p1.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got, faults := answers(t, string(data))
	want := observed(t)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if len(faults) != 2 || !strings.Contains(faults[0].Text, "$nosuch") || !faults[0].Warn {
		t.Errorf("faults %v, want two of the unknown variable", faults)
	}
}

// observed is the recording with what is fixed put in, in the order of rules.
func observed(t *testing.T) []string {
	t.Helper()
	recording, err := os.ReadFile(filepath.Join(recorded(t), "p1.observed"))
	if err != nil {
		t.Fatal(err)
	}
	byRule := map[string][]string{}
	for line := range strings.Lines(string(recording)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "9:rootcheck:System Audit: "); ok {
			byRule[text[:2]] = append(byRule[text[:2]], text)
		}
	}
	for name, lines := range fixed() {
		byRule[name[:2]] = lines
	}
	var out []string
	for n := range 47 {
		out = append(out, byRule[string([]byte{'0' + byte(n/10), '0' + byte(n%10)})]...)
	}
	return out
}

// TestRecordedErrors has the policies at which OSSEC stops reading: here the
// fault is named, its rule has no answer, and the rest counts.
func TestRecordedErrors(t *testing.T) {
	tests := map[string]struct {
		messages []string
		faults   []int // lines
	}{
		"p2.txt":  {[]string{"next. File: @RCL@/A."}, []int{2}},
		"p3.txt":  {[]string{"crlf. File: @RCL@/A."}, nil},
		"p4.txt":  {[]string{"bad type first.", "never. File: @RCL@/A."}, nil},
		"p5.txt":  {[]string{"trailing space. File: @RCL@/A."}, nil},
		"p6.txt":  {[]string{"two space. File: @RCL@/A."}, nil},
		"p7.txt":  {[]string{"none cond.", "after. File: @RCL@/A."}, nil},
		"p8.txt":  {[]string{"ok1. File: @RCL@/A.", "none cond.", "after. File: @RCL@/A."}, nil},
		"p9.txt":  {nil, []int{1}},
		"p10.txt": {[]string{"next. File: @RCL@/A."}, []int{2}},
		"p11.txt": {[]string{"x. File: @RCL@/A. Reference: ref ."}, nil},
		"p12.txt": {[]string{"rel. File: @RCL@/A."}, nil},
		"p13.txt": {[]string{"req ok. File: @RCL@/A. Reference: R .", "x. File: @RCL@/B."}, []int{5}},
		"p14.txt": {[]string{"late var. File: @RCL@/A.", "x. File: @RCL@/B."}, nil},
		"p15.txt": {[]string{"semi in pattern. File: @RCL@/A.", "case fname. File: @RCL@/d/one.php."}, nil},
		"p16.txt": {[]string{"after. File: @RCL@/A."}, nil},
	}
	for name, want := range tests {
		data, err := os.ReadFile(filepath.Join(recorded(t), name))
		if err != nil {
			t.Fatal(err)
		}
		got, faults := answers(t, string(data))
		if diff := cmp.Diff(want.messages, got); diff != "" {
			t.Errorf("%s: messages (-want +got):\n%s", name, diff)
		}
		var lines []int
		for _, f := range faults {
			lines = append(lines, f.Line)
		}
		if diff := cmp.Diff(want.faults, lines); diff != "" {
			t.Errorf("%s: lines of faults (-want +got):\n%s%v", name, diff, faults)
		}
	}
}

// TestOutcomes has one rule for each way to an outcome.
func TestOutcomes(t *testing.T) {
	const text = `$v=@RCL@/A,@RCL@/B;
[in scope] [any required] []
f:@RCL@/A;
[fails] [all] []
f:$v -> r:^bar$;
f:@RCL@/B;
[passes] [any] []
f:@RCL@/A -> r:^nothing like it$;
[no file] [any] []
f:@RCL@/NOPE -> r:x;
[no conditions] [any] []
[broken] [any] []
x:@RCL@/A;
f:@RCL@/A;
[pattern with ;] [any] []
f:@RCL@/A -> r:(foo;bar);
[out of scope] [all required] []
f:@RCL@/NOPE;
[after it] [any] []
f:@RCL@/A;
`
	p := Parse("p", []byte(strings.ReplaceAll(text, "@RCL@", recorded(t))))
	results, err := Evaluate(t.Context(), p, testHost(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Outcome{}
	for _, r := range results {
		got[r.Rule.Name] = r.Outcome
	}
	want := map[string]Outcome{
		"in scope": Applies, "fails": Fail, "passes": Pass, "no file": NotApplicable,
		"no conditions": NotApplicable, "broken": Unknown, "pattern with ;": Pass,
		"out of scope": NotApplicable, "after it": NotApplicable,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if percent, ok := Count(results).Percent(); !ok || percent != 66 {
		t.Errorf("score %d %v, want 66", percent, ok)
	}
	if len(p.Faults) != 1 || p.Faults[0].Error() != "p:13: unknown condition; the rule has no answer" {
		t.Errorf("faults %v", p.Faults)
	}
}

// TestUnreadableIsUnknown: what can't be read is neither so nor otherwise, in
// every mode, unless another condition decides.
func TestUnreadableIsUnknown(t *testing.T) {
	dir := t.TempDir()
	big, there := filepath.Join(dir, "big"), filepath.Join(dir, "there")
	for name, size := range map[string]int64{big: maxContent + 1, there: 0} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
	}
	for rule, want := range map[string]Outcome{
		"[any] []\nf:BIG -> r:x;":                       Unknown,
		"[any] []\nf:!BIG -> r:x;":                      Unknown,
		"[any] []\nf:BIG -> r:x;\nf:!BIG -> r:y;":       Unknown,
		"[any] []\nf:BIG -> r:x;\nf:THERE;":             Fail,
		"[all] []\nf:THERE;\nf:BIG -> r:x;":             Unknown,
		"[none] []\nf:BIG -> r:x;":                      Unknown,
		"[none] []\nf:!BIG -> r:x;":                     Unknown,
		"[none] []\nd:DIR -> ^big$ -> r:x;":             Unknown,
		"[none] []\nf:DIR/none;\nf:BIG -> r:x;":         Unknown,
		"[none] []\nf:DIR/none;":                        Fail,
		"[none required] []\nf:BIG -> r:x;":             Unknown,
		"[none] []\nf:DIR/none;\nf:DIR/none -> r:none;": Fail,
	} {
		text := strings.NewReplacer("BIG", big, "THERE", there, "DIR", dir).Replace(rule)
		results, err := Evaluate(t.Context(), Parse("p", []byte("[rule] "+text+"\n")), testHost(t))
		if err != nil || results[0].Outcome != want {
			t.Errorf("%q: outcome %q, error %v; want %q", rule, results[0].Outcome, err, want)
		}
	}
}

// TestDeepIsUnknown: what is too deep to be looked at is not taken for what is not
// there, and what is behind it is looked at.
func TestDeepIsUnknown(t *testing.T) {
	for name, levels := range map[string]int{"d": maxDepth + 3, strings.Repeat("d", 250): 20} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "z"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range levels {
			if err := r.Mkdir(name, 0o755); err != nil {
				t.Fatal(err)
			}
			next, err := r.OpenRoot(name)
			r.Close()
			if err != nil {
				t.Fatal(err)
			}
			r = next
		}
		if err := r.WriteFile("y", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.Close()
		p := Parse("p", []byte("[deep] [any] []\nd:"+dir+" -> ^y$;\n[behind] [any] []\nd:"+dir+" -> ^z$;\n"))
		results, err := Evaluate(t.Context(), p, testHost(t))
		if err != nil || results[0].Outcome != Unknown || results[1].Outcome != Fail {
			t.Errorf("%d levels: %v, %v, %v", levels, results[0].Outcome, results[1].Outcome, err)
		}
	}
}

func TestSplitList(t *testing.T) {
	tests := map[string][]string{
		"/a":            {"/a"},
		"/a,/b,/c":      {"/a", "/b", "/c"},
		"/a,b,/c":       {"/a,b", "/c"},
		"/a, /b":        {"/a", "/b"},
		`C:\a,C:\b`:     {`C:\a`, `C:\b`},
		`%WINDIR%,\x,y`: {"%WINDIR%", `\x,y`},
		"":              {""},
	}
	for in, want := range tests {
		if diff := cmp.Diff(want, splitList(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

// TestStockPolicies reads every policy that OSSEC ships: no rule may be lost.
func TestStockPolicies(t *testing.T) {
	base := testenv.Shared(t, "vectors", "stock")
	files, err := filepath.Glob(filepath.Join(base, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if name := filepath.Base(file); !strings.Contains(name, "rcl") && !strings.Contains(name, "audit") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		p := Parse(file, data)
		headers := 0
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(strings.TrimSpace(line), "[") {
				headers++
			}
		}
		if headers == 0 || len(p.Rules) != headers {
			t.Errorf("%s: %d rules of %d headers", file, len(p.Rules), headers)
		}
		for _, f := range p.Faults {
			if !f.Warn {
				t.Errorf("%v", f)
			}
		}
	}
	if seen < 8 {
		t.Errorf("read %d policies, want all", seen)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/rcl/p*.txt")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := Parse("p", data)
		for _, r := range p.Rules {
			for _, c := range r.Conditions {
				if c.Type == DirType && !c.Unknown && c.Name == nil {
					t.Fatal("folder condition without a name")
				}
				if c.Type == ProcessType && c.Content == nil {
					t.Fatal("process condition without a pattern")
				}
				if !c.Unknown && c.Type != ProcessType && len(c.Paths) == 0 {
					t.Fatal("condition without a target")
				}
			}
		}
	})
}

// FuzzEvaluate has no file system behind it: whatever a policy says, it ends.
func FuzzEvaluate(f *testing.F) {
	f.Add("[a] [any] []\nf:/x -> !r:a && r:b;\nd:/x -> r:y -> z;\np:r:^b;\n", "line\nother\n")
	f.Fuzz(func(t *testing.T, text, content string) {
		p := Parse("p", []byte(text))
		results, err := Evaluate(t.Context(), p, memory(content))
		if err != nil || len(results) != len(p.Rules) {
			t.Fatalf("%d results of %d rules, %v", len(results), len(p.Rules), err)
		}
	})
}
