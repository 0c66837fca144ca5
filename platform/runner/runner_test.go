// SPDX-License-Identifier: Apache-2.0

//go:build unix

package runner_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
	"hids/platform/runner"
)

const ceiling = 3 * time.Minute

func TestMain(m *testing.M) {
	switch os.Getenv("RUNNER_TEST_CHILD") {
	case "inherit":
		childInherit()
	case "vanish":
		childVanish()
	default:
		os.Exit(m.Run())
	}
}

func shell(script string) runner.Spec {
	return runner.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/"}
}

func run(t *testing.T, s runner.Spec) runner.Result {
	t.Helper()
	p, err := runner.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	return p.Wait()
}

func child(t *testing.T, mode string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "RUNNER_TEST_CHILD="+mode)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestResult(t *testing.T) {
	tests := []struct {
		script, output, signal string
		code                   int
	}{
		{"echo out; echo err >&2; exit 3", "out\nerr\n", "", 3},
		{"kill -9 $$", "", "killed", -1},
		{"env", "PATH=/usr/bin:/bin\nPWD=/\n", "", 0},
		{"cat; pwd", "/\n", "", 0},
		{"echo x > /dev/stderr", "x\n", "", 0},
	}
	for _, tt := range tests {
		r := run(t, shell(tt.script))
		if string(r.Output) != tt.output || r.Signal != tt.signal || r.ExitCode != tt.code || r.TimedOut || r.OK() != (tt.code == 0) {
			t.Errorf("%s: %+v, output %q", tt.script, r, r.Output)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := run(t, shell("yes | head -c 1000000"))
	if len(r.Output) != runner.OutputLimit || !r.Cut || !r.OK() {
		t.Errorf("%d bytes, cut %v, %+v", len(r.Output), r.Cut, r.ExitCode)
	}
}

func TestStartFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "noexec")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{file: fs.ErrPermission, file + "x": fs.ErrNotExist} {
		if _, err := runner.Start(runner.Spec{Path: path, Args: []string{path}}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestInput(t *testing.T) {
	s := shell("wc -c")
	s.Input = make([]byte, 300_000)
	if r := run(t, s); strings.TrimSpace(string(r.Output)) != "300000" {
		t.Errorf("%q", r.Output)
	}
	s = shell("exec <&-; exit 0") // does not read it
	s.Input = make([]byte, 300_000)
	if r := run(t, s); !r.OK() {
		t.Errorf("%+v", r)
	}
}

func TestTalk(t *testing.T) {
	s := shell("read a; echo got $a; read b; echo and $b; cat")
	s.Talk = true
	p, err := runner.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Say([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	if line := p.FirstLine(ceiling); string(line) != "got one\n" {
		t.Fatalf("line %q", line)
	}
	if err := p.Say([]byte("two\n")); err != nil {
		t.Fatal(err)
	}
	p.Hush()
	if r := p.Wait(); string(r.Output) != "got one\nand two\n" {
		t.Errorf("%q", r.Output)
	}
}

// Who talks to a program that reads nothing is let go at its deadline.
func TestTalkToTheDeaf(t *testing.T) {
	s := shell("exec sleep 100000")
	s.Talk, s.Deadline = true, 300*time.Millisecond
	p, err := runner.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Say(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what nobody reads ends with %v", err)
	}
	if r := p.Wait(); !r.TimedOut {
		t.Errorf("%+v", r)
	}
}

func TestFirstLineOfASilentProgram(t *testing.T) {
	p, err := runner.Start(shell("printf unfinished"))
	if err != nil {
		t.Fatal(err)
	}
	if line := p.FirstLine(ceiling); string(line) != "unfinished" {
		t.Errorf("line %q", line)
	}
	p.Wait()
}

// A program's deadline ends what it started too, even when the program itself
// will not listen to SIGTERM.
func TestDeadlineEndsTheGroup(t *testing.T) {
	s := shell(`trap "" TERM; sleep 100000 & echo $!; while :; do wait; done`)
	for s.Deadline = 200 * time.Millisecond; ; s.Deadline *= 4 {
		r := run(t, s)
		if !r.TimedOut || r.OK() {
			t.Fatalf("%+v", r)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(r.Output)))
		if err == nil {
			if r.Signal != "killed" {
				t.Errorf("ended by %q", r.Signal)
			}
			waitGone(t, pid)
			return
		}
		if s.Deadline > ceiling {
			t.Fatal("the shell never came to its child")
		}
	}
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(ceiling); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if runtime.GOOS != "linux" {
		return syscall.Kill(pid, 0) == nil
	}
	return err == nil && !strings.Contains(string(stat), ") Z ") // a zombie nobody reaps is dead too
}

// A daemon that a program leaves behind does not hold up Wait, and its writes
// find somebody.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	r := run(t, shell(`(while [ ! -e `+dir+`/go ]; do sleep 0.01; done; yes | head -c 200000 && touch `+dir+`/fine) & echo main`))
	if string(r.Output) != "main\n" || !r.OK() {
		t.Fatalf("%+v %q", r, r.Output)
	}
	touch(t, dir+"/go")
	waitFile(t, dir+"/fine")
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func waitFile(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(ceiling); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not appear", path)
		}
	}
}

// childInherit has everything a careless launcher can leave: an ignored and a
// blocked signal, an open descriptor, a strict umask.
func childInherit() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	blockTerm()
	if _, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0); err != nil {
		panic(err)
	}
	unix.Umask(0o077)
	if err := runner.Prepare(); err != nil {
		panic(err)
	}
	p, err := runner.Start(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; ls /proc/$$/fd; cut -d' ' -f5 /proc/$$/stat; echo $$"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s", p.Wait().Output)
}

func TestNothingIsInherited(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Skip(t, "procfs shows what a program inherits")
	}
	out, err := child(t, "inherit").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 10 || lines[8] != lines[9] {
		t.Fatalf("not the leader of its group, or other descriptors than 0, 1, 2: %q", out)
	}
	want := "SigBlk: 0000000000000000 SigIgn: 0000000000000000 0022 0 1 2"
	if got := strings.Join(lines[:8], " "); got != want {
		t.Errorf("program sees %q, want %q", got, want)
	}
}

// childVanish starts a program and ends before it.
func childVanish() {
	dir := os.Getenv("RUNNER_TEST_DIR")
	_, err := runner.Start(shell(`while [ ! -e ` + dir + `/go ]; do sleep 0.01; done; echo hello && echo more && touch ` + dir + `/fine`))
	if err != nil {
		panic(err)
	}
}

// restart-ossec ends execd while it runs and prints on: its echo must not kill it.
func TestProgramOutlivesUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Skip(t, "only Linux reopens a pipe for both directions")
	}
	dir := t.TempDir()
	if err := child(t, "vanish", "RUNNER_TEST_DIR="+dir).Run(); err != nil {
		t.Fatal(err)
	}
	touch(t, dir+"/go")
	waitFile(t, dir+"/fine")
}
