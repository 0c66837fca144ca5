// SPDX-License-Identifier: Apache-2.0

// Package doctest runs what the documentation shows. Each fenced block of a
// page says in its info string what it is and where it holds; a block that says
// nothing is a mistake, so that no command is shown that nobody has run.
//
//	sh CLASS         commands, one a line
//	console CLASS    commands behind "$ " (a plain user) or "# " (root), and what they print
//	xml file=PATH    a configuration file; it is written there and must pass hids config check
//	text file=PATH   a file for the commands that follow
//	json event       an event, one that the commands before it have made
//	text, mermaid    nothing to run
//
// A comment behind a command may say more: "exit code 1" is expected, and
// "until Ctrl-C" ends a command that would go on for ever.
package doctest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Classes says on which machine the commands of a block are run.
func Classes() map[string]string {
	return map[string]string{
		"user":    "a plain user of a Debian where only the program is there",
		"root":    "root of the same",
		"clone":   "in a fresh clone on the same, as a plain user",
		"ci":      "steps of .ci/run, which are run there and not once more",
		"systemd": "root of a fresh Debian under systemd, with the packages in the working directory",
		"rpm":     "root of a fresh system with rpm, with the packages in the working directory",
		"archive": "root of a fresh system without a package manager, with the archive in the working directory",
		"ossec":   "root of a fresh Debian with OSSEC's agent, with the packages in the working directory",
	}
}

// Block is a fenced block of a page.
type Block struct {
	Page  string
	Line  int // of the opening fence
	Lang  string
	Class string
	File  string // that a configuration is written to
	Text  string
	Steps []Step // of sh and console
}

// Step is one command and what is expected of it.
type Step struct {
	Line    int
	Root    bool
	Command string
	Output  []string // what is shown
	Shown   bool     // output is shown, so it is compared
	Code    int      // exit code
	Follow  bool     // until Ctrl-C
}

// Runs says whether the block has commands.
func (b *Block) Runs() bool { return b.Lang == "sh" || b.Lang == "console" }

// Where is the block's place, for messages.
func (b *Block) Where() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

// Parse reads the blocks of a page. The faults are those of all blocks.
func Parse(page, text string) ([]Block, []error) {
	var blocks []Block
	var faults []error
	var open *Block
	var body []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\n")
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open == nil && fence:
			open, body = &Block{Page: page, Line: number}, nil
			if err := open.describe(info); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", open.Where(), err))
			}
		case open != nil && fence:
			if err := open.fill(body); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", open.Where(), err))
			}
			blocks, open = append(blocks, *open), nil
		case open != nil:
			body = append(body, line)
		}
	}
	if open != nil {
		faults = append(faults, fmt.Errorf("%s: the block does not end", open.Where()))
	}
	return blocks, faults
}

// describe reads the info string.
func (b *Block) describe(info string) error {
	words := strings.Fields(info)
	if len(words) == 0 {
		return fmt.Errorf("the block does not say what it is; see internal/doctest")
	}
	b.Lang = words[0]
	rest := strings.Join(words[1:], " ")
	b.File, _ = strings.CutPrefix(rest, "file=")
	if b.File == rest {
		b.File, b.Class = "", rest
	}
	_, known := Classes()[b.Class]
	switch {
	case b.Runs() && known:
	case b.Runs():
		return fmt.Errorf("%q does not say where the commands run", info)
	case b.Lang == "json" && b.Class == "event":
	case b.Lang == "xml" && b.File != "":
	case (b.Lang == "text" || b.Lang == "mermaid") && b.Class == "":
	default:
		return fmt.Errorf("%q is no block that is known", info)
	}
	return nil
}

// command finds what looks as if somebody could type it.
var command = regexp.MustCompile(`^\s*([#$] )?(sudo )?(\./)?(hids|make|go|git|dpkg|apt|apt-get|rpm|tar|systemctl|curl|nft|journalctl) [a-z/-]`)

func (b *Block) fill(body []string) error {
	b.Text = strings.Join(body, "\n") + "\n"
	switch b.Lang {
	case "console":
		return b.session(body)
	case "sh":
		return b.script(body)
	}
	for _, line := range body {
		if b.File == "" && command.MatchString(line) {
			return fmt.Errorf("shows a command that is not run: %q", line)
		}
	}
	return nil
}

// script reads a block of commands.
func (b *Block) script(body []string) error {
	root := b.Class != "user" && b.Class != "clone"
	for i := 0; i < len(body); i++ {
		if text := strings.TrimSpace(body[i]); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		step := newStep(b.Line+1+i, root, body[i])
		i += step.rest(body[i+1:])
		b.Steps = append(b.Steps, step)
	}
	return b.some()
}

// session reads a block of commands and their output.
func (b *Block) session(body []string) error {
	for i := 0; i < len(body); i++ {
		text, root := strings.CutPrefix(body[i], "# ")
		text, plain := strings.CutPrefix(text, "$ ")
		if !root && !plain {
			if len(b.Steps) == 0 {
				return fmt.Errorf("begins with output")
			}
			last := &b.Steps[len(b.Steps)-1]
			last.Output, last.Shown = append(last.Output, body[i]), true
			continue
		}
		step := newStep(b.Line+1+i, root, text)
		i += step.rest(body[i+1:])
		b.Steps = append(b.Steps, step)
	}
	return b.some()
}

func (b *Block) some() error {
	if len(b.Steps) == 0 {
		return fmt.Errorf("has no command")
	}
	return nil
}

var (
	exitCode = regexp.MustCompile(`\s#.*\bexit code (\d+)`)
	follow   = regexp.MustCompile(`\s#.*until Ctrl-C`)
	hereDoc  = regexp.MustCompile(`<<'?([A-Z]+)'?`)
)

func newStep(line int, root bool, text string) Step {
	s := Step{Line: line, Root: root, Command: text}
	if m := exitCode.FindStringSubmatch(text); m != nil {
		s.Code, _ = strconv.Atoi(m[1])
	}
	s.Follow = follow.MatchString(text)
	return s
}

// rest adds the lines that belong to the command, behind a backslash or in a
// here-document, and returns how many they are.
func (s *Step) rest(lines []string) int {
	n := 0
	for strings.HasSuffix(s.Command, `\`) && n < len(lines) {
		s.Command += "\n" + lines[n]
		n++
	}
	if m := hereDoc.FindStringSubmatch(s.Command); m != nil {
		end := slices.Index(lines[n:], m[1])
		for range end + 1 {
			s.Command += "\n" + lines[n]
			n++
		}
	}
	return n
}
