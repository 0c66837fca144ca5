// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestDocumentedCommands holds that every hids command shown in the README and
// in docs exists, with the flags it is shown with.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	count := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range shown(string(text)) {
			count++
			if err := parses(line); err != nil {
				t.Errorf("%s: %q: %v", page, line, err)
			}
		}
	}
	if count < 30 {
		t.Errorf("only %d commands are shown: are they still found?", count)
	}
}

var prompt = regexp.MustCompile(`^(?:[#$] )?(?:sudo )?(hids [a-z-].*)$`)

// shown returns the hids commands in the code blocks of a page.
func shown(text string) []string {
	var list []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inside = !inside
			continue
		}
		if m := prompt.FindStringSubmatch(line); inside && m != nil {
			// An explanation stands two blanks apart.
			command, _, _ := strings.Cut(m[1], "  ")
			command, _, _ = strings.Cut(command, " #")
			command, _, _ = strings.Cut(command, " |")
			command, _, _ = strings.Cut(command, " >")
			list = append(list, command)
		}
	}
	return list
}

// parses finds the command in the tree and looks its flags up.
func parses(line string) error {
	cmd, rest, err := Tree().Find(strings.Fields(line)[1:])
	if err != nil {
		return err
	}
	cmd.InheritedFlags()
	var flags []string
	for _, word := range rest {
		word = strings.Trim(word, "[].…")
		if strings.HasPrefix(word, "-") && word != "--" {
			flags = append(flags, word)
		}
	}
	for _, word := range flags {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		var f *pflag.Flag
		if strings.HasPrefix(word, "--") {
			f = cmd.Flag(name)
		} else {
			f = cmd.Flags().ShorthandLookup(name[:1])
		}
		if f == nil && name != "help" {
			return &unknownFlag{word}
		}
	}
	return nil
}

type unknownFlag struct{ word string }

func (e *unknownFlag) Error() string { return "there is no flag " + e.word }
