// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// setupDaemons lets scripts start daemons: none of them outlives its script.
func setupDaemons(env *testscript.Env) {
	env.Setenv("HIDS_BINARY", os.Args[0])
	if g, err := user.LookupGroupId(strconv.Itoa(os.Getgid())); err == nil {
		env.Setenv("GROUP", g.Name)
	}
	home := filepath.Join(env.WorkDir, "home")
	env.Defer(func() {
		for _, p := range daemonsOf(home) {
			_ = p.Kill() // their modules end with them
		}
	})
}

// daemonsOf returns the processes that have a pid file.
func daemonsOf(home string) []*os.Process {
	var running []*os.Process
	files, _ := filepath.Glob(filepath.Join(home, "var", "run", "*.pid"))
	for _, f := range files {
		m := regexp.MustCompile(`-(\d+)\.pid$`).FindStringSubmatch(f)
		if m == nil {
			continue
		}
		pid, _ := strconv.Atoi(m[1])
		if p, err := os.FindProcess(pid); err == nil {
			running = append(running, p)
		}
	}
	return running
}

// cmdStop tells every daemon of the installation to stop and waits until its
// pid file is gone: stop [HOME].
func cmdStop(ts *testscript.TestScript, _ bool, args []string) {
	home := ts.MkAbs("home")
	if len(args) == 1 {
		home = ts.MkAbs(args[0])
	}
	for _, p := range daemonsOf(home) {
		ts.Check(p.Signal(os.Interrupt))
	}
	for deadline := time.Now().Add(time.Minute); len(daemonsOf(home)) > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("the daemons do not stop")
		}
	}
}

func TestGetopt(t *testing.T) {
	tests := []struct {
		words []string
		want  []option
		fault string
	}{
		{[]string{"-tf", "-c", "file", "-gossec"}, []option{{'t', ""}, {'f', ""}, {'c', "file"}, {'g', "ossec"}}, ""},
		{[]string{"-tcfile", "word", "-d", "-", "--", "-f"}, []option{{'t', ""}, {'c', "file"}, {'d', ""}}, ""},
		{[]string{"-c", "-t"}, []option{{'c', "-t"}}, ""},
		{[]string{"-tx"}, []option{{'t', ""}}, `invalid option -- 'x'`},
		{[]string{"-:"}, nil, `invalid option -- ':'`},
		{[]string{"-d", "-c"}, []option{{'d', ""}}, `option requires an argument -- 'c'`},
	}
	for _, tt := range tests {
		got, err := getopt("Vtdhfg:c:", tt.words)
		fault := ""
		if err != nil {
			fault = err.Error()
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(option{})); diff != "" || fault != tt.fault {
			t.Errorf("%q: fault %q, want %q; options %s", tt.words, fault, tt.fault, diff)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"90m": "2026-11-25 10:30:00", "7d": "2026-11-18 12:00:00", "2026-11-21": "2026-11-21 00:00:00",
		"2026-11-21T22:48:20Z": "2026-11-21 22:48:20", "2026-11-21 22:48": "2026-11-21 22:48:00",
	} {
		got, err := parseSince(in, now)
		if err != nil || got.Format(time.DateTime) != want {
			t.Errorf("%q: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"yesterday", "-d", "1d2", "7"} {
		if got, err := parseSince(bad, now); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

// A daemon that is started by its path belongs to the installation it stands in.
func TestHomeOf(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "queue", "alerts"), 0o750); err != nil {
		t.Fatal(err)
	}
	for argv0, want := range map[string]string{
		filepath.Join(home, "bin", "ossec-execd"):          home,
		filepath.Join(home, "sbin", "ossec-execd"):         "",
		filepath.Join(home, "queue", "bin", "ossec-execd"): "",
		"ossec-execd": "",
	} {
		if got := homeOf(argv0); got != want {
			t.Errorf("%s: got %q, want %q", argv0, got, want)
		}
	}
}
