// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"hids/modules/execd/response"
	"hids/modules/supervisor"
)

// TestMain makes the test binary run as hids when a script calls it so.
func TestMain(m *testing.M) {
	hids := func() { os.Exit(Main(os.Args)) }
	if supervisor.IsChild() { // under a name that no script calls it by
		hids()
	}
	names := map[string]func(){"hids": hids}
	for _, name := range response.Names() {
		names[name] = hids
	}
	for _, d := range ossecDaemons() {
		names[d.name] = hids
	}
	testscript.Main(m, names)
}

// TestScripts runs the whole program: a script for each command and exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HIDS_HOME", env.WorkDir+"/home")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("OWNER", ownerOfFiles())
			setupDaemons(env)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":   cmdCode,
			"expand": cmdExpand,
			"stop":   cmdStop,
		},
		Condition: scriptCondition,
	})
}

// cmdCode runs a program and demands an exit code: code 2 hids nonsense.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program [argument ...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = exitCodeOf(err)
	}
	if want := args[0]; want != strconv.Itoa(got) {
		ts.Fatalf("%v: exit code %d, want %s", args[1:], got, want)
	}
}

func exitCodeOf(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}
