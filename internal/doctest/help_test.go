// SPDX-License-Identifier: Apache-2.0

//go:build linux && !race

package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hids/internal/testenv"
)

// TestExamplesOfHelp runs the examples of every command's help, as its manual
// page has them.
func TestExamplesOfHelp(t *testing.T) {
	testenv.Root(t)
	pages, err := filepath.Glob(filepath.Join(top, "packaging", "man", "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("pages of commands: %v %v", pages, err)
	}
	var text strings.Builder
	text.WriteString("```sh root\n" + beforeHelp + "```\n")
	seen := map[string]bool{} // some are shown in two places
	for _, page := range pages {
		lines := slices.DeleteFunc(examplesIn(t, page), func(line string) bool {
			step := asStep(line)
			again := seen[step]
			seen[step] = true
			return again
		})
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n%s\n\n```sh root\n", filepath.Base(page))
		for _, line := range lines {
			text.WriteString(asStep(line))
		}
		text.WriteString("```\n")
	}
	page := filepath.Join(t.TempDir(), "help.md")
	if err := os.WriteFile(page, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	runPage(t, build(t), page)
}

// TestCommandsInProse runs the commands that the text of the pages names.
func TestCommandsInProse(t *testing.T) {
	testenv.Root(t)
	var text strings.Builder
	text.WriteString("```sh root\n" + beforeHelp + "```\n")
	seen := map[string]bool{}
	for _, page := range pages(t) {
		commands := slices.DeleteFunc(commandsIn(t, page), func(command string) bool {
			again := seen[command]
			seen[command] = true
			return again
		})
		if len(commands) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n%s\n\n```sh root\n", page)
		for _, command := range commands {
			text.WriteString(asStep(command))
		}
		text.WriteString("```\n")
	}
	if len(seen) < 30 {
		t.Fatalf("only %d commands", len(seen))
	}
	page := filepath.Join(t.TempDir(), "prose.md")
	if err := os.WriteFile(page, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	runPage(t, build(t), page)
}

// inProse finds a command in the text.
var inProse = regexp.MustCompile("`(hids [a-z-][^`]*)`")

// commandsIn returns the commands in a page's text, with something there for what
// stands in capitals.
func commandsIn(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	given := strings.NewReplacer("[PATH...]", "/etc/motd", "[PATH…]", "/etc/motd", "PATH", "/etc/motd", "FILE", "ssh.txt",
		"CHECK...", "disk", "NAME add|delete USER IP", "firewall-drop add - 192.0.2.9", "ID", "3f2a9c01d7be")
	var found []string
	fenced := false
	for line := range strings.Lines(string(text)) {
		fenced = fenced != strings.HasPrefix(line, "```")
		if fenced {
			continue
		}
		for _, m := range inProse.FindAllStringSubmatch(line, -1) {
			command := given.Replace(m[1])
			if strings.HasSuffix(command, " -f") {
				command += "  # until Ctrl-C"
			}
			found = append(found, command)
		}
	}
	return found
}

// beforeHelp makes what the examples speak of.
const beforeHelp = `mkdir -p /var/ossec/etc /mnt/image/etc
echo '<ossec_config><syscheck><directories check_all="yes">/etc,/usr/sbin,/bin</directories></syscheck></ossec_config>' >ossec.conf
cp ossec.conf /var/ossec/etc/
printf '[Telnet] [any] []\nf:/etc/inetd.conf;\n' >ssh.txt
stop() { pkill -x 'hids(-.*)?'; until ! pgrep -x 'hids(-.*)?' >/dev/null; do sleep 0.1; done; }
hids syscheck --scan-now
echo >>/etc/motd
useradd mallory
hids rootcheck --scan-now files; true
hids syscheck --scan-now >/dev/null; true
hids run
`

// outcomes are the exit codes of examples that speak of what is not here.
func outcomes() map[string]int {
	return map[string]int{
		"hids adopt":                                    2, // no OSSEC
		"hids adopt --apply":                            2,
		"hids adopt --undo":                             2,
		"hids execd delete --id 12":                     3, // no such block
		"hids rootcheck accept --withdraw 3f2a":         2, // no such finding
		"hids rootcheck accept 3f2a9c01d7be --note":     2,
		"hids rootcheck accept --withdraw 3f2a9c01d7be": 2,
		"hids rootcheck accept":                         2, // of what, is not said
		"hids rootcheck policy check":                   2,
		"hids respond":                                  2,
		"hids execd add":                                2,
	}
}

// starts finds examples that start a daemon, for which none may run.
var starts = regexp.MustCompile(`^hids (run|execd|syscheck|rootcheck)( -f)?\s*(#.*)?$`)

// asStep makes a step of an example: what needs a daemon finds one, what differs
// or could not be looked at is no fault.
func asStep(line string) string {
	if strings.Contains(line, "until Ctrl-C") && strings.Contains(line, "events") {
		return strings.Replace(line, "-f", "-f --since 1d", 1) + "\n"
	}
	bare, _, _ := strings.Cut(line, "  ")
	bare, _, _ = strings.Cut(bare, " #")
	for command, code := range outcomes() {
		if bare == command || strings.HasPrefix(bare, command+" \"") {
			return fmt.Sprintf("%s # exit code %d\n", bare, code)
		}
	}
	switch {
	case starts.MatchString(line) && strings.Contains(line, "until Ctrl-C"):
		return "stop\n" + line + "\nhids run\n"
	case starts.MatchString(line):
		return "stop\n" + line + "\nstop\nhids run\n"
	}
	return fmt.Sprintf("%s; case $? in 0|1|3) ;; *) false ;; esac\n", bare)
}

// examplesIn returns the lines of the section of examples.
func examplesIn(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	begin := slices.Index(lines, ".SH EXAMPLE")
	if begin < 0 {
		t.Fatalf("%s has no examples", page)
	}
	var found []string
	for _, line := range lines[begin+2:] {
		if line == ".EE" {
			break
		}
		found = append(found, strings.NewReplacer(`\-`, "-", `\\`, `\`, `\&`, "").Replace(strings.TrimSpace(line)))
	}
	return found
}
