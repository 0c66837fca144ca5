// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hids/internal/doctest"
)

// TestDocumentedCommands holds that every hids command that a page mentions in
// its text exists, with the flags it is mentioned with. Those in blocks are run
// (internal/doctest).
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	count := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range mentioned(string(text)) {
			count++
			if err := parses(line); err != nil {
				t.Errorf("%s: %q: %v", page, line, err)
			}
		}
	}
	if count < 30 {
		t.Errorf("only %d commands are mentioned: are they still found?", count)
	}
}

var inline = regexp.MustCompile("`(?:\\./)?(hids [a-z-][^`]*)`")

// mentioned returns the hids commands in the text of a page, outside of blocks.
func mentioned(text string) []string {
	var list []string
	inside := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
			continue
		}
		if inside {
			continue
		}
		for _, m := range inline.FindAllStringSubmatch(line, -1) {
			list = append(list, m[1])
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
		word = strings.Trim(word, "[].…,")
		if strings.HasPrefix(word, "-") && word != "--" && word != "-" {
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

// every calls yield for a command and all below it.
func every(cmd *cobra.Command, yield func(*cobra.Command)) {
	yield(cmd)
	for _, sub := range cmd.Commands() {
		every(sub, yield)
	}
}

// TestHelp reads every help as a newcomer does: each command says what it does
// and what its exit codes mean, ends no line beyond the terminal, and shows an
// example that the documentation's own rules can read.
func TestHelp(t *testing.T) {
	every(Tree(), func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd.HasParent() {
			return
		}
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q", name, cmd.Short)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len([]rune(strings.TrimRight(line, "\n"))) > 86 {
				t.Errorf("%s: a line of its help is too long: %q", name, line)
			}
		}
		if cmd.HasSubCommands() && !cmd.Runnable() {
			return
		}
		if cmd.Example == "" {
			t.Errorf("%s: shows no example", name)
		}
		if _, faults := doctest.Parse(name, "```sh root\n"+cmd.Example+"\n```\n"); cmd.Example != "" && len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
		for line := range strings.Lines(cmd.Example) {
			text, _, _ := strings.Cut(strings.TrimSpace(line), " #")
			text, _, _ = strings.Cut(text, " |")
			if strings.HasPrefix(text, "hids ") {
				if err := parses(text); err != nil {
					t.Errorf("%s: %q: %v", name, text, err)
				}
			}
		}
	})
}
