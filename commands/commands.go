// SPDX-License-Identifier: Apache-2.0

// Package commands is the command line: the tree, the dispatch on argv[0], the
// terminal and the exit codes. It is the only package that imports cobra,
// prints, or ends the process. What a command does is in modules and platform.
package commands

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hids/platform/paths"
)

// Main runs hids with the given argument vector and returns the exit code.
func Main(args []string) int {
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	return p.main(args)
}

// program is one run of hids: its streams and the flags every command has.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	args       []string // as it was called, for a daemon that runs itself again
	argv0      string   // the first of them
	home       string   // -D
	configFile string   // -c
	debug      int      // -d, counted
	format     string   // --format
}

// main dispatches on the base name of argv[0], then on the first argument.
func (p *program) main(args []string) int {
	if len(args) == 0 {
		args = []string{"hids"}
	}
	p.args, p.argv0 = args, args[0]
	if enter := p.entry(args[0]); enter != nil {
		return enter(args)
	}
	return p.runTree(args[1:])
}

// runTree runs the command tree with the words after the program's name.
func (p *program) runTree(words []string) int {
	cobra.MousetrapHelpText = ""
	root := p.tree()
	root.SetArgs(words)
	cmd, err := root.ExecuteC()
	return finish(p.stderr, cmd.CommandPath(), err)
}

// Tree returns the command tree, for the generators of man pages and shell
// completion.
func Tree() *cobra.Command {
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	return p.tree()
}

func (p *program) tree() *cobra.Command {
	root := &cobra.Command{
		Use:   "hids",
		Short: "Host intrusion detection: file integrity, rootkits, active response",
		Long: `Hids watches files, looks for rootkits and blocks attackers, alone or in the
place of OSSEC's agent daemons.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError("%w", err) })
	p.addFlags(root)
	root.AddCommand(p.subcommands()...)
	shown := examples()
	for _, cmd := range append(root.Commands(), root) {
		document(cmd, shown)
	}
	return root
}

func (p *program) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&p.home, "home", "D", "", "folder of the installation (default $HIDS_HOME, else "+
		paths.DefaultHome+"; for a plain user hids below $XDG_STATE_HOME)")
	f.StringVarP(&p.configFile, "config", "c", "", "configuration file (default etc/ossec.conf of the installation)")
	f.CountVarP(&p.debug, "debug", "d", "say more; repeat for more still")
	f.StringVar(&p.format, "format", "text", "how to print the answer: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if p.format != "text" && p.format != "json" {
			return usageError("--format is %q, but can be text or json only", p.format)
		}
		return nil
	}
}

// document gives cmd and all below it their examples, ends their help with the
// exit codes, and makes a wrong word an error of usage.
func document(cmd *cobra.Command, shown map[string]string) {
	if text, ok := shown[cmd.CommandPath()]; ok {
		cmd.Example = text
	}
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	cmd.Long += "\n\n" + exitHelp
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError("%w", err)
			}
			return nil
		}
	}
	if cmd.Name() == "hids" {
		return
	}
	for _, sub := range cmd.Commands() {
		document(sub, shown)
	}
}

// layout finds the installation: -D, $HIDS_HOME, /var/ossec; a plain user
// without either gets a folder of their own.
func (p *program) layout() (paths.Layout, error) {
	home := p.home
	if home == "" {
		home = os.Getenv("HIDS_HOME")
	}
	if home == "" && os.Geteuid() > 0 {
		return userLayout()
	}
	if home == "" {
		home = paths.DefaultHome
	}
	abs, err := filepath.Abs(home)
	if err != nil {
		return paths.Layout{}, fmt.Errorf("find the installation: %w", err)
	}
	return paths.Layout{Home: abs}, nil
}

func userLayout() (paths.Layout, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		dir, err := os.UserHomeDir()
		if err != nil {
			return paths.Layout{}, failWith(exitUsage, fmt.Errorf("find a folder for the state of hids: %w", err),
				"name one with --home DIR")
		}
		state = filepath.Join(dir, ".local", "state")
	}
	return paths.Layout{Home: filepath.Join(state, "hids")}, nil
}
