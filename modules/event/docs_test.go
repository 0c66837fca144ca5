// SPDX-License-Identifier: Apache-2.0

package event

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tables returns the first backticked words of the rows of each table of
// docs/events.md, by the heading above it.
func tables(t *testing.T) map[string]map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`([^`]+)`")
	found := map[string]map[string]string{}
	heading := ""
	for line := range strings.Lines(string(page)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(title)
			found[heading] = map[string]string{}
		}
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.Contains(cells[1], "---") {
			continue
		}
		first := cells[1]
		if heading == "Actions" {
			first = cells[2]
		}
		if strings.HasSuffix(strings.TrimSpace(first), "`event.action`") && heading == "Actions" { // the head of the table
			continue
		}
		for _, m := range names.FindAllStringSubmatch(first, -1) {
			found[heading][m[1]] = line
		}
	}
	return found
}

func keys[V any](m map[string]V) map[string]bool {
	set := map[string]bool{}
	for k := range m {
		set[k] = true
	}
	return set
}

// jsonType is the word of the page for a type.
func jsonType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return jsonType(t.Elem())
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "list of text"
	case t.Kind() == reflect.Map:
		return "map"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Struct:
		return ""
	}
	return "number"
}

// leaves are the fields of an event by the path that they have in JSON.
func leaves(t reflect.Type, prefix string, into map[string]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if kind := jsonType(f.Type); kind != "" {
			into[prefix+name] = kind
		} else {
			leaves(f.Type, prefix+name+".", into)
		}
	}
}

// TestEveryFieldIsDocumented compares the fields of an event with the page, both
// ways, and their types.
func TestEveryFieldIsDocumented(t *testing.T) {
	code := map[string]string{}
	leaves(reflect.TypeFor[Event](), "", code)
	page := map[string]string{}
	for name, line := range tables(t)["Fields"] {
		page[name] = strings.TrimSpace(strings.Split(line, "|")[3])
	}
	if diff := cmp.Diff(code, page); diff != "" {
		t.Errorf("docs/events.md does not have the fields of the code (-code +page):\n%s", diff)
	}
}

// parsed returns the files of the program below a folder.
func parsed(t *testing.T, dir string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// constants returns the text of those whose name or type is as wanted.
func constants(t *testing.T, dir string, want func(name, kind string) bool) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, f := range parsed(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, _ := spec.Type.(*ast.Ident)
			if kind == nil {
				kind = &ast.Ident{}
			}
			if text := literal(spec.Values[0]); text != "" && want(spec.Names[0].Name, kind.Name) {
				found[text] = true
			}
			return true
		})
	}
	return found
}

func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return ""
}

// TestEveryActionIsDocumented compares the actions of the modules with the page.
func TestEveryActionIsDocumented(t *testing.T) {
	code := map[string]bool{}
	for dir, want := range map[string]func(name, kind string) bool{
		"../execd/tell.go":       func(name, _ string) bool { return strings.HasPrefix(name, "act") },
		"../rootcheck/events.go": func(name, _ string) bool { return strings.HasPrefix(name, "action") },
		"../syscheckd/scan":      func(_, kind string) bool { return kind == "Action" },
	} {
		found := constants(t, dir, want)
		if len(found) < 4 {
			t.Errorf("%s has the actions %v only: are they still found?", dir, found)
		}
		for name := range found {
			code[name] = true
		}
	}
	if diff := cmp.Diff(code, keys(tables(t)["Actions"])); diff != "" {
		t.Errorf("docs/events.md does not have the actions of the code (-code +page):\n%s", diff)
	}
}

// TestEveryDifferenceIsDocumented compares what can differ of a file.
func TestEveryDifferenceIsDocumented(t *testing.T) {
	code := constants(t, "../syscheckd/record", func(name, _ string) bool { return strings.HasPrefix(name, "Field") })
	if diff := cmp.Diff(code, keys(tables(t)["What differs"])); diff != "" {
		t.Errorf("docs/events.md does not have the names of the code (-code +page):\n%s", diff)
	}
}

// extraKeys are the keys of literals and of assignments to Extra and Evidence.
func extraKeys(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, f := range parsed(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "evidence" {
					keysMade(n.Body, found)
				}
			case *ast.KeyValueExpr:
				if isExtra(n.Key) {
					literalKeys(n.Value, found)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if isExtra(left) {
						literalKeys(n.Rhs[i], found)
					}
					if index, ok := left.(*ast.IndexExpr); ok && isExtra(index.X) && literal(index.Index) != "" {
						found[literal(index.Index)] = true
					}
				}
			}
			return true
		})
	}
	return found
}

// keysMade are all keys of text that a function writes: it makes evidence.
func keysMade(body ast.Node, into map[string]bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			literalKeys(n, into)
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if index, ok := left.(*ast.IndexExpr); ok && literal(index.Index) != "" {
					into[literal(index.Index)] = true
				}
			}
		}
		return true
	})
}

func isExtra(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "Extra" || e.Name == "Evidence"
	case *ast.SelectorExpr:
		return isExtra(e.Sel)
	}
	return false
}

func literalKeys(e ast.Expr, into map[string]bool) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return
	}
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if name := literal(pair.Key); name != "" {
				into[name] = true
			} else if sum, ok := pair.Key.(*ast.BinaryExpr); ok { // "expected_" + the sum's name
				into[literal(sum.X)] = true
			}
		}
	}
}

// TestEveryFactIsDocumented compares the keys of hids.extra.
func TestEveryFactIsDocumented(t *testing.T) {
	code := map[string]bool{"file": true, "process": true} // a policy decides which
	for _, dir := range []string{"../execd", "../syscheckd", "../rootcheck"} {
		for name := range extraKeys(t, dir) {
			code[name] = true
		}
	}
	if diff := cmp.Diff(code, keys(tables(t)["Facts"])); diff != "" {
		t.Errorf("docs/events.md does not have the facts of the code (-code +page):\n%s", diff)
	}
}
