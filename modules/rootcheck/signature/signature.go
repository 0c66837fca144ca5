// SPDX-License-Identifier: Apache-2.0

// Package signature has the signature files of rootcheck: OSSEC's two formats,
// rootkit_files (a path that betrays a rootkit) and rootkit_trojans (a word
// that does not belong in a program), and our own lists in them. It parses and
// matches; which files are looked at belongs to rootcheck.
package signature

import (
	_ "embed"
	"fmt"
	"strings"
)

// Origins of a signature.
const (
	Builtin = "built in"
)

//go:embed data/rootkits.txt
var rootkits []byte

//go:embed data/trojans.txt
var trojans []byte

// BuiltinFiles returns our own list of rootkit files.
func BuiltinFiles() []File {
	files, _ := ParseFiles(Builtin, rootkits)
	return files
}

// BuiltinTrojans returns our own list of words in programs.
func BuiltinTrojans() []Trojan {
	list, _ := ParseTrojans(Builtin, trojans)
	return list
}

// File is a path, or a base name, that only a rootkit uses.
type File struct {
	Path     string // below the root, as written; of an Anywhere the base name
	Name     string // of the rootkit, one word, as OSSEC reports it
	Anywhere bool   // Path is looked for in every folder that is walked
	Origin   string // the file it was written in, or Builtin
	Line     int
}

// Fault is a line that says nothing.
type Fault struct {
	File string
	Line int
	Text string
}

func (f Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

const blanks = " \t"

// ParseFiles reads a rootkit_files list: "path ! name :: anything". As in
// OSSEC (4.3) the name is its first word, a path ends at the first blank, and
// a line that reads otherwise says nothing; here it is a Fault.
func ParseFiles(origin string, data []byte) ([]File, []Fault) {
	var files []File
	faults := eachLine(origin, data, func(text string, line int) string {
		f, why := parseFile(text)
		if why == "" {
			f.Origin, f.Line = origin, line
			files = append(files, f)
		}
		return why
	})
	return files, faults
}

// eachLine hands on what is neither blank nor a comment; what take has against
// a line is a Fault.
func eachLine(origin string, data []byte, take func(text string, line int) (why string)) []Fault {
	var (
		faults []Fault
		line   int
	)
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.Trim(strings.TrimRight(text, "\r\n"), blanks)
		if text == "" || text[0] == '#' {
			continue
		}
		if why := take(text, line); why != "" {
			faults = append(faults, Fault{File: origin, Line: line, Text: why})
		}
	}
	return faults
}

func parseFile(text string) (f File, why string) {
	i := strings.IndexAny(text, blanks)
	if i < 0 {
		return f, "no name: write path ! name"
	}
	path, rest := text[:i], strings.TrimLeft(text[i:], blanks)
	rest, ok := strings.CutPrefix(rest, "!")
	if !ok || rest == "" || !strings.Contains(blanks, rest[:1]) {
		return f, "no ! with a blank on both sides after the path"
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest, blanks), ":")
	name, _, _ = strings.Cut(name, " ")
	name = strings.Trim(name, blanks)
	if name == "" {
		return f, "no name after the !"
	}
	f = File{Path: path, Name: name}
	if base, ok := strings.CutPrefix(path, "*"); ok {
		f.Anywhere, f.Path = true, strings.TrimPrefix(base, "/")
	}
	if f.Path == "" {
		return f, "no path before the !"
	}
	return f, ""
}
