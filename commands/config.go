// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hids/config"
	"hids/config/arconf"
	"hids/config/rules"
	"hids/modules/event"
	"hids/platform/paths"
)

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show and explain the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check",
			Short: "Say what is wrong in the configuration files, with file, line and column",
			Long: `Say what is wrong in the configuration files, with file, line and column, all
at once. Faults with which hids still works do not change the exit code.`,
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return p.configCheck(cmd) },
		},
		&cobra.Command{
			Use:   "show",
			Short: "Show what is in force, and where each value comes from",
			Long: `Show what is in force, one setting a line: its name, its value, and the file,
line and column that it comes from; "default" where nobody has set it. Times are
seconds, sizes bytes.`,
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return p.configShow(cmd) },
		},
		&cobra.Command{
			Use:   "explain PATH...",
			Short: "Say which entry watches a path, what ignores it, and why",
			Long: `Say for each path which entry of the configuration watches it and for what,
which <ignore> leaves it out, and which <nodiff> keeps its content hidden. The
path need not exist.`,
			Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.configExplain(cmd, args) },
		},
	)
	return cmd
}

// printJSON prints an answer for machines.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type checkAnswer struct {
	Valid  bool          `json:"valid"`
	Files  []string      `json:"files"`
	Faults config.Faults `json:"faults"`
}

func (p *program) configCheck(cmd *cobra.Command) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	cfg, faults := config.Load(cmd.Context(), p.configOptions(layout))
	answer := checkAnswer{Valid: cfg != nil, Files: []string{}, Faults: append(config.Faults{}, faults...)}
	if cfg != nil {
		answer.Files = append(answer.Files, cfg.Files...)
		checkFolders(cfg, &answer)
	}
	p.checkResponses(layout, &answer)
	if err := p.printCheck(&answer); err != nil {
		return err
	}
	if !answer.Valid {
		return exitWith(exitUsage)
	}
	return nil
}

// checkFolders tells of folders that are not there: a misspelt name watches
// nothing. The built-in configuration names some that not every host has.
func checkFolders(cfg *config.Config, answer *checkAnswer) {
	for _, d := range cfg.Syscheck.Directories {
		if rules.IsGlob(d.Path) || d.Pos.File == config.DefaultName {
			continue
		}
		if _, err := os.Lstat(paths.Host{}.Path(d.Path)); errors.Is(err, fs.ErrNotExist) {
			answer.Faults.Warnf(d.Pos, "nothing is watched for it until it is there", "%q does not exist", d.Path)
		}
	}
}

// checkResponses adds the faults of ar.conf, which execd reads by itself.
func (p *program) checkResponses(layout paths.Layout, answer *checkAnswer) {
	name := layout.ARConf()
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		answer.Faults.Warnf(config.Pos{File: name}, "", "read: %v", errors.Unwrap(err))
		return
	}
	_, faults := arconf.Parse(name, data)
	answer.Faults.Append(faults)
	answer.Files = append(answer.Files, name)
}

func (p *program) printCheck(answer *checkAnswer) error {
	if p.format == "json" {
		return p.printJSON(answer)
	}
	for _, f := range answer.Faults {
		fmt.Fprintln(p.stdout, f.Error())
	}
	switch {
	case !answer.Valid:
		fmt.Fprintf(p.stdout, "the configuration can't be used: %d faults\n", len(answer.Faults))
	case len(answer.Files) == 0:
		fmt.Fprintln(p.stdout, "there are no configuration files: the built-in configuration is used")
	default:
		for _, name := range answer.Files {
			fmt.Fprintf(p.stdout, "read %s\n", name)
		}
		fmt.Fprintln(p.stdout, "the configuration is valid")
	}
	return nil
}

func (p *program) configShow(cmd *cobra.Command) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	cfg, err := p.loadConfig(cmd.Context(), layout)
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.printJSON(cfg.Effective())
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, s := range cfg.Effective() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, event.SafeText(s.Value), s.Pos)
	}
	return w.Flush()
}

func (p *program) configExplain(cmd *cobra.Command, args []string) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	cfg, err := p.loadConfig(cmd.Context(), layout)
	if err != nil {
		return err
	}
	expanded, faults := rules.Expand(&cfg.Syscheck, filepath.Glob)
	for _, f := range faults {
		p.warn("%v", f)
	}
	r := rules.New(expanded)
	answers := []explainAnswer{}
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return fmt.Errorf("explain %s: %w", event.SafeText(arg), err)
		}
		answer := newExplainAnswer(r.Explain(filepath.ToSlash(path), isDir(path)))
		answer.addAlias(r, path)
		answers = append(answers, answer)
	}
	if p.format == "json" {
		return p.printJSON(answers)
	}
	for _, a := range answers {
		p.printExplanation(&a)
	}
	return nil
}

// isDir says whether a path is a directory now. One that does not exist is
// taken for a file.
func isDir(path string) bool {
	st, err := os.Lstat(paths.Host{}.Path(path))
	return err == nil && st.IsDir()
}

// explainAnswer is rules.Explanation for the reader.
type explainAnswer struct {
	Path    string      `json:"path"`
	Watched bool        `json:"watched"`
	Entry   string      `json:"entry,omitempty"`
	From    *config.Pos `json:"from,omitempty"`
	Checks  string      `json:"checks,omitempty"`
	Options string      `json:"options,omitempty"`
	Diff    bool        `json:"diff"`
	Ignored *ruleAnswer `json:"ignored,omitempty"`
	NoDiff  *ruleAnswer `json:"nodiff,omitempty"`
	Reasons []string    `json:"reasons"`
}

type ruleAnswer struct {
	Prefix  string     `json:"prefix,omitempty"`
	Pattern string     `json:"pattern,omitempty"`
	From    config.Pos `json:"from"`
}

func newExplainAnswer(e rules.Explanation) explainAnswer {
	a := explainAnswer{
		Path: e.Path, Watched: e.Watched, Diff: e.Diff, Reasons: e.Reasons,
		Ignored: newRuleAnswer(e.Ignore), NoDiff: newRuleAnswer(e.NoDiff),
	}
	if e.Entry != nil {
		a.Entry, a.From = e.Entry.Path, &e.Entry.Pos
		a.Checks, a.Options = e.Entry.Checks.String(), e.Entry.Options()
	}
	return a
}

// addAlias says so when a link on the way leads to a folder that is watched by
// its own name too, as /bin does to /usr/bin: the file is reported under that.
func (a *explainAnswer) addAlias(r *rules.Rules, path string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	real := filepath.Join(dir, filepath.Base(path))
	if err != nil || real == path {
		return
	}
	verdict := "not watched"
	if r.Explain(filepath.ToSlash(real), isDir(path)).Watched {
		verdict = "watched, and reported under that name"
	}
	a.Reasons = append(a.Reasons, fmt.Sprintf("a link leads to it: it is %s, which is %s", real, verdict))
}

func newRuleAnswer(rule *config.PathRule) *ruleAnswer {
	if rule == nil {
		return nil
	}
	a := &ruleAnswer{Prefix: rule.Prefix, From: rule.Pos}
	if rule.Pattern != nil {
		a.Pattern = rule.Pattern.String()
	}
	return a
}

func (p *program) printExplanation(a *explainAnswer) {
	verdict := "not watched"
	if a.Watched {
		verdict = "watched"
	}
	c := p.palette()
	fmt.Fprintf(p.stdout, "%s%s%s: %s\n", c.bold, event.SafeText(a.Path), c.reset, verdict)
	for _, reason := range a.Reasons {
		fmt.Fprintf(p.stdout, "  %s\n", event.SafeText(reason))
	}
	if !a.Watched {
		return
	}
	fmt.Fprintf(p.stdout, "  compared: %s\n", a.Checks)
	if a.Options != "" {
		fmt.Fprintf(p.stdout, "  options: %s\n", event.SafeText(a.Options))
	}
}
