// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

// pages are the README and all of docs, from the top of the tree.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil || len(list) < 10 {
		t.Fatalf("pages of docs: %v %v", list, err)
	}
	list = append(list, filepath.Join(top, "README.md"), filepath.Join(top, "CONTRIBUTING.md"))
	for i, page := range list {
		if list[i], err = filepath.Rel(top, page); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func blocksOf(t *testing.T, page string) []Block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	blocks, faults := Parse(page, string(text))
	for _, fault := range faults {
		t.Error(fault)
	}
	return blocks
}

// TestEveryBlockSaysWhereItRuns reads all pages.
func TestEveryBlockSaysWhereItRuns(t *testing.T) {
	steps := 0
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			steps += len(b.Steps)
		}
	}
	if steps < 60 {
		t.Errorf("only %d commands are shown: are they still found?", steps)
	}
}

// TestStepsOfCI holds that what is left to .ci/run is run there.
func TestStepsOfCI(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(top, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(script), "\n")
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			for _, s := range b.Steps {
				text, _, _ := strings.Cut(s.Command, "#")
				if b.Class == "ci" && !slices.Contains(lines, "step "+strings.TrimSpace(text)) {
					t.Errorf("%s:%d: %q is no step of .ci/run", page, s.Line, s.Command)
				}
			}
		}
	}
}

// TestMachinesOfPackages holds that packaging/test/run knows every class that
// needs a package.
func TestMachinesOfPackages(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(top, "packaging", "test", "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"systemd", "rpm", "archive", "ossec"} {
		if !strings.Contains(string(script), "docs "+class) {
			t.Errorf("packaging/test/run does not run the blocks of %s", class)
		}
	}
}
