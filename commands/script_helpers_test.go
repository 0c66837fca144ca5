// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"hids/modules/syscheckd/report"
)

// scriptCondition answers [root], [setcap] and [patch] in a script.
func scriptCondition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	_, err := exec.LookPath(cond)
	return err == nil, nil
}

// cmdExpand replaces $NAME by the variable's value in files that a script
// brings: expand FILE...
func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, name := range args {
		text := ts.ReadFile(name)
		for _, variable := range []string{"WORK", "OWNER"} {
			text = strings.ReplaceAll(text, "$"+variable, ts.Getenv(variable))
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// ownerOfFiles is how a file of this user is told: "root:root".
func ownerOfFiles() string {
	names, uid, gid := report.SystemNames(), uint32(os.Geteuid()), uint32(os.Getegid())
	return report.Owner(names.User, uid) + ":" + report.Owner(names.Group, gid)
}
