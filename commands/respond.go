// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hids/config"
	"hids/modules/execd/response"
	"hids/platform/command"
	"hids/platform/paths"
)

// respondTimeout ends a response that waits for another one, or for a tool.
const respondTimeout = 45 * time.Second

func (p *program) respondCommand() *cobra.Command {
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "respond [flags] NAME add|delete USER IP [ALERT RULE [WORD]...]",
		Short: "Carry out one of the built-in active responses",
		Long: `Carry out one of the built-in active responses, as execd does: block an
address, lock an account, and take it back with delete. USER or IP is - where
the response needs none. No account is kept of what is done here, and nothing
takes it back: to block for a time, use hids execd add.

The responses:
  ` + strings.Join(response.Commands(), "\n  ") + `

A response is also reached by a link with its name, or with that of OSSEC's
script (firewall-drop.sh), to hids in active-response/bin. Its exit code then
is 0 or 1, as a script's.`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeResponse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.respond(cmd.Context(), args, lasts)
		},
	}
	// What follows NAME is what an alert says; none of it is a flag.
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().DurationVar(&lasts, "for", 0, "let the packet filter itself end the block, a minute after this time")
	return cmd
}

func completeResponse(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return response.Commands(), cobra.ShellCompDirectiveNoFileComp
	case 1:
		return []string{"add", "delete"}, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (p *program) respond(ctx context.Context, args []string, lasts time.Duration) error {
	layout, err := p.layout()
	if err != nil {
		return err
	}
	script := strings.TrimSuffix(args[0], ".sh") + ".sh"
	r := response.Request{Script: filepath.Join(layout.ResponseBin(), script), Args: args[1:]}
	if lasts > 0 {
		r.Until = time.Now().Add(lasts)
	}
	err = p.runResponse(ctx, layout, args[0], r)
	if errors.Is(err, response.ErrUsage) {
		return failWith(exitUsage, err)
	}
	return err
}

// scriptEntry runs as one of OSSEC's scripts: every word is an argument of the
// response, whatever it looks like, and the exit code is 0 or 1.
func (p *program) scriptEntry(name string) func(args []string) int {
	return func(args []string) int {
		layout := scriptLayout(args[0])
		r := response.Request{Script: scriptPath(args[0], layout), Args: args[1:], Until: untilFromEnv()}
		if err := p.runResponse(context.Background(), layout, name, r); err != nil {
			fmt.Fprintf(p.stderr, "%s\n", err)
			return scriptStatus(r, err)
		}
		return 0
	}
}

// scriptStatus is the exit code of a script that failed. What can't be done can't
// have been done either: its delete has nothing to take back, and must not be tried
// again for ever.
func scriptStatus(r response.Request, err error) int {
	if len(r.Args) > 0 && r.Args[0] == "delete" && errors.Is(err, response.ErrUsage) {
		return 0
	}
	return 1
}

// scriptLayout finds the installation that a script stands in.
func scriptLayout(argv0 string) paths.Layout {
	if home := os.Getenv("HIDS_HOME"); filepath.IsAbs(home) {
		return paths.Layout{Home: filepath.Clean(home)}
	}
	script, err := filepath.Abs(argv0)
	layout := paths.Layout{Home: filepath.Dir(filepath.Dir(filepath.Dir(script)))}
	if err != nil || layout.ResponseBin() != filepath.Dir(script) {
		return paths.Layout{Home: paths.DefaultHome}
	}
	return layout
}

// scriptPath is $0 of OSSEC's script. Its decoder wants a path, ending in .sh.
func scriptPath(argv0 string, layout paths.Layout) string {
	argv0 = strings.TrimSuffix(argv0, ".sh") + ".sh"
	if filepath.Base(argv0) == argv0 {
		return filepath.Join(layout.ResponseBin(), argv0)
	}
	return argv0
}

// untilFromEnv is when execd will take the block back.
func untilFromEnv() time.Time {
	seconds, err := strconv.ParseInt(os.Getenv(response.UntilVariable), 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

func (p *program) runResponse(ctx context.Context, layout paths.Layout, name string, r response.Request) error {
	ctx, cancel := context.WithTimeout(ctx, respondTimeout)
	defer cancel()
	env := response.Env{Layout: layout, Config: p.responseConfig(ctx, layout), Run: command.Run}
	err := response.Run(ctx, env, name, r)
	if errors.Is(err, response.ErrNotLogged) { // a full disk is no reason to let attackers in
		p.warn("%v", err)
		return nil
	}
	return err
}

// responseConfig reads what concerns responses. A configuration with a fault
// must not keep an attacker from being blocked: the defaults do.
func (p *program) responseConfig(ctx context.Context, layout paths.Layout) config.ActiveResponse {
	cfg, faults := config.Load(ctx, p.configOptions(layout))
	if cfg == nil {
		p.warn("the configuration has faults, so the defaults are used: %v", faults.Err())
		cfg = config.Default()
	}
	return cfg.ActiveResponse
}
