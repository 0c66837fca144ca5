// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The house rules that a machine can check. docs/architecture.md gives their
// reasons.

// goFile is one parsed file of the tree.
type goFile struct {
	path   string // slash-separated, from the top of the tree
	source []byte
	fset   *token.FileSet
	ast    *ast.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }
func (f goFile) pkg() string  { return path.Dir(f.path) }

func tree(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "dist" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, source, parser.ParseComments)
		files = append(files, goFile{filepath.ToSlash(name), source, fset, parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLicenceLine(t *testing.T) {
	const line = "// SPDX-License-Identifier: Apache-2.0\n"
	for _, f := range tree(t) {
		if !strings.HasPrefix(string(f.source), line) && !ast.IsGenerated(f.ast) {
			t.Errorf("%s: does not begin with %q", f.path, line)
		}
	}
}

func TestPackageComment(t *testing.T) {
	docs := map[string][]string{}
	for _, f := range tree(t) {
		if f.isTest() {
			continue
		}
		docs[f.pkg()] = append(docs[f.pkg()], "")
		if f.ast.Doc != nil {
			docs[f.pkg()][len(docs[f.pkg()])-1] = f.path
		}
	}
	for pkg, list := range docs {
		with := slices.DeleteFunc(list, func(s string) bool { return s == "" })
		if len(with) != 1 {
			t.Errorf("%s: %d files have a package comment %v, want exactly one", pkg, len(with), with)
		}
	}
}

// TestSize holds functions to 80 lines and files to 600.
func TestSize(t *testing.T) {
	for _, f := range tree(t) {
		if f.isTest() || ast.IsGenerated(f.ast) {
			continue
		}
		if n := strings.Count(string(f.source), "\n"); n > 600 {
			t.Errorf("%s: %d lines, more than 600", f.path, n)
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if n > 80 {
				t.Errorf("%s: %s has %d lines, more than 80", f.path, fn.Name.Name, n)
			}
		}
	}
}

// TestNoInit keeps start-up explicit: no init functions.
func TestNoInit(t *testing.T) {
	for _, f := range tree(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: has an init function", f.path)
			}
		}
	}
}

// TestImports checks that dependencies point one way: commands → modules →
// {config, platform}.
func TestImports(t *testing.T) {
	for _, f := range tree(t) {
		for _, spec := range f.ast.Imports {
			target := strings.Trim(spec.Path.Value, `"`)
			if why := forbidden(f, target); why != "" {
				t.Errorf("%s imports %s: %s", f.path, target, why)
			}
		}
	}
}

// forbidden says why f may not import target, or "".
func forbidden(f goFile, target string) string {
	from := f.pkg()
	inside, ours := strings.CutPrefix(target, "hids/")
	switch {
	case strings.HasPrefix(target, "hids/internal/") && !f.isTest() && !forTests(from):
		return "only tests may"
	case strings.HasPrefix(target, "github.com/google/go-cmp") && !f.isTest():
		return "only tests may: it links reflection that triples the binary"
	case strings.HasPrefix(target, "github.com/spf13/") && top(from) != "commands" && top(from) != "packaging":
		return "only commands may know cobra"
	case (target == "unsafe" || target == "syscall" || strings.HasPrefix(target, "golang.org/x/sys")) &&
		top(from) != "platform" && !f.isTest():
		return "only platform may talk to the kernel"
	case target == "github.com/beevik/etree" && top(from) != "config":
		return "only config may parse XML"
	case ours:
		return forbiddenInside(from, inside, f.isTest())
	}
	return ""
}

func forbiddenInside(from, to string, test bool) string {
	if top(to) == "internal" {
		return ""
	}
	switch {
	case top(to) == "commands" && from != "." && top(from) != "packaging":
		return "nothing but main may import commands"
	case top(from) == "config" && top(to) != "config":
		return "config knows only itself"
	case top(from) == "platform" && top(to) != "platform":
		return "platform knows only itself"
	case top(from) == "modules" && top(to) == "commands":
		return "modules do not know commands"
	case top(from) == "modules" && top(to) == "modules" && !test:
		return crossing(from, to)
	}
	return ""
}

// forTests says whether a package is there for tests alone.
func forTests(pkg string) bool { return top(pkg) == "internal" || pkg == "platform/plant" }

// crossing refuses an import of one module by another.
func crossing(from, to string) string {
	a, b := second(from), second(to)
	if a == "all" || a == b || b == "" || b == "event" {
		return ""
	}
	return "modules do not import each other"
}

func top(p string) string { first, _, _ := strings.Cut(p, "/"); return first }

func second(p string) string {
	_, rest, _ := strings.Cut(p, "/")
	return top(rest)
}

// TestLinkedModules makes a new module in the binary a change that somebody
// reads: packaging/modules.txt lists them.
func TestLinkedModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	got := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSpace(line); name != "" && name != "hids" {
			got[name] = true
		}
	}
	want := map[string]bool{}
	for _, name := range listFile(t, "packaging/modules.txt") {
		want[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("linked modules differ from packaging/modules.txt (-listed +linked):\n%s", diff)
	}
}

// TestNothingUnfinished refuses the marks of work put off.
func TestNothingUnfinished(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}
	for _, f := range tree(t) {
		for _, mark := range marks {
			if strings.Contains(string(f.source), mark) {
				t.Errorf("%s: holds %s", f.path, mark)
			}
		}
	}
}

func listFile(t *testing.T, name string) []string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []string
	for in := bufio.NewScanner(file); in.Scan(); {
		if line, _, _ := strings.Cut(in.Text(), "#"); strings.TrimSpace(line) != "" {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}
