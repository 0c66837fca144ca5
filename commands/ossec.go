// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hids/modules/all"
	"hids/platform/paths"
)

// ossecDaemon is one of OSSEC's daemons that hids stands in for.
type ossecDaemon struct {
	name    string
	modules []string // that do its work
	flags   string   // for getopt(3)
}

// ossecDaemons lists them. OSSEC's syscheckd runs rootcheck as well.
func ossecDaemons() []ossecDaemon {
	return []ossecDaemon{
		{"ossec-execd", []string{"execd"}, "Vhtdfg:c:D:"},
		{"ossec-syscheckd", []string{"syscheckd", "rootcheck"}, "Vhtdfc:D:"},
	}
}

// ossecEntry runs under the name of one of OSSEC's daemons. It takes OSSEC's
// options, not those of the command tree, and ends with OSSEC's exit codes;
// all it says goes to standard error.
func (p *program) ossecEntry(d ossecDaemon) func(args []string) int {
	return func(args []string) int {
		p.format = "text"
		opts, fault := getopt(d.flags, args[1:])
		s := &service{name: d.name, modules: all.Named(d.modules...), ossec: true}
		for _, o := range opts {
			if end := p.ossecOption(d, s, o); end {
				return 0
			}
		}
		if fault != nil {
			fmt.Fprintf(p.stderr, "%s: %v\n", d.name, fault)
			p.ossecHelp(d)
			return 1
		}
		if p.home == "" && os.Getenv("HIDS_HOME") == "" {
			p.home = homeOf(args[0])
		}
		if finish(p.stderr, d.name, p.serve(context.Background(), s)) != 0 {
			return 1
		}
		return 0
	}
}

// ossecOption does what one option says. It reports true when that was all.
func (p *program) ossecOption(d ossecDaemon, s *service, o option) (end bool) {
	switch o.letter {
	case 'V':
		p.ossecVersion(d)
		return true
	case 'h':
		p.ossecHelp(d)
		return true
	case 't':
		s.testOnly = true
	case 'f':
		s.foreground = true
	case 'd':
		p.debug++
	case 'g':
		s.group = o.value
	case 'c':
		p.configFile = o.value
	case 'D':
		p.home = o.value
	}
	return false
}

// homeOf finds the installation of a daemon that was started by its path,
// DIR/bin/ossec-execd. OSSEC's have it compiled in.
func homeOf(argv0 string) string {
	if !strings.ContainsRune(argv0, filepath.Separator) {
		return ""
	}
	path, err := filepath.Abs(argv0)
	if err != nil || filepath.Base(filepath.Dir(path)) != "bin" {
		return ""
	}
	home := filepath.Dir(filepath.Dir(path))
	if _, err := os.Stat(filepath.Dir(paths.Layout{Home: home}.ExecQueue())); err != nil {
		return "" // /usr/bin/ossec-execd, say
	}
	return home
}

func (p *program) ossecVersion(d ossecDaemon) {
	fmt.Fprintf(p.stderr, " \nhids %s, in the place of %s\n \n", version, d.name)
}

func (p *program) ossecHelp(d ossecDaemon) {
	p.ossecVersion(d)
	fmt.Fprintf(p.stderr, "  %s: [options]\n", d.name)
	for _, h := range ossecHelp() {
		if strings.IndexByte(d.flags, h.letter) >= 0 {
			fmt.Fprintf(p.stderr, "    %-12s%s\n", strings.TrimSpace(fmt.Sprintf("-%c %s", h.letter, h.value)), h.text)
		}
	}
	fmt.Fprintln(p.stderr, " ")
}

type ossecOptionHelp struct {
	letter      byte
	value, text string
}

// ossecHelp says what the options do.
func ossecHelp() []ossecOptionHelp {
	return []ossecOptionHelp{
		{'V', "", "Say the version and end"},
		{'h', "", "Say this and end"},
		{'d', "", "Say more; may be repeated"},
		{'t', "", "Check the configuration and end"},
		{'f', "", "Stay in the foreground"},
		{'g', "<group>", "Group to run as (default: ossec)"},
		{'c', "<file>", "Configuration file (default: etc/ossec.conf)"},
		{'D', "<folder>", "Folder of the installation (default: /var/ossec)"},
	}
}
