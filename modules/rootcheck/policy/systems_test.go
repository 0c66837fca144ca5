// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"hids/internal/testenv"
	"hids/platform/hostfile"
)

// system unpacks the fixture of one kind of system, and returns the outcomes
// that its comment promises.
func system(t *testing.T, file string) (*Host, []string) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := txtar.Write(ar, root); err != nil {
		t.Fatal(err)
	}
	files, err := hostfile.New(root)
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	t.Cleanup(func() { files.Close() })
	_, golden, ok := strings.Cut(string(ar.Comment), "\n\n")
	if !ok {
		t.Fatalf("%s promises no outcomes", file)
	}
	return &Host{FS: files}, strings.Split(strings.TrimSpace(golden), "\n")
}

func systems(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/systems/*.txtar")
	if err != nil || len(list) < 5 {
		t.Fatalf("%d systems, %v", len(list), err)
	}
	return list
}

func TestSystems(t *testing.T) {
	data, err := os.ReadFile("testdata/systems/policy.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := Parse("policy.txt", data)
	if len(p.Faults) > 0 {
		t.Fatal(p.Faults)
	}
	for _, file := range systems(t) {
		host, want := system(t, file)
		results, err := Evaluate(t.Context(), p, host)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range results {
			line := fmt.Sprintf("%-14s %s", r.Outcome, r.Rule.Name)
			if !r.Rule.Required && len(r.Details) > 0 {
				line += ": " + r.Details[0].Text
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestStockPoliciesKnowTheirSystems: a benchmark that OSSEC ships applies to
// the system that its required rule names; one without such a rule to any.
func TestStockPoliciesKnowTheirSystems(t *testing.T) {
	meant := map[string]string{
		"cis_debian_linux_rcl.txt": "debian12", "cis_debianlinux7-8_L1_rcl.txt": "any", "cis_rhel5_linux_rcl.txt": "none", "cis_solaris11_rcl.txt": "any",
	}
	for name, want := range meant {
		data, err := os.ReadFile(testenv.Shared(t, "vectors", "stock", "4.3.0", name))
		if err != nil {
			t.Fatal(err)
		}
		p := Parse(name, data)
		for _, file := range systems(t) {
			host, _ := system(t, file)
			results, err := Evaluate(t.Context(), p, host)
			if err != nil {
				t.Fatal(err)
			}
			applies := slices.ContainsFunc(results, func(r Result) bool { return r.True() })
			if should := want == "any" || strings.Contains(file, want); applies != should {
				t.Errorf("%s on %s: applies %v, want %v", name, file, applies, should)
			}
		}
	}
}
