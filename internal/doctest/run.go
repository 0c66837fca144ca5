// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ceiling is for one command on a busy machine, and no expectation.
const ceiling = 10 * time.Minute

// Machine runs blocks on the machine it is on. It changes that machine, so it
// belongs into one that can be thrown away.
type Machine struct {
	Home  string    // where commands of root run
	User  string    // the plain user
	Clone string    // where those of class clone run
	Log   io.Writer // what was run and printed

	shells map[string]*shell
	events []string // that commands have printed
}

// Run runs the blocks of the classes, in their order.
func (m *Machine) Run(blocks []Block, classes []string) error {
	defer m.close()
	var faults []error
	for i := range blocks {
		b := &blocks[i]
		if err := m.block(b, classes); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", b.Where(), err))
		}
	}
	return errors.Join(faults...)
}

func (m *Machine) block(b *Block, classes []string) error {
	switch {
	case b.Runs() && slices.Contains(classes, b.Class):
		return m.steps(b)
	case b.File != "" && slices.Contains(classes, "root"):
		return m.file(b)
	case b.Lang == "json" && slices.Contains(classes, "root"):
		return m.event(b)
	}
	return nil
}

func (m *Machine) steps(b *Block) error {
	for _, s := range b.Steps {
		fmt.Fprintf(m.Log, "%s:%d: %s\n", b.Page, s.Line, s.Command)
		if err := m.step(b, s); err != nil {
			return fmt.Errorf("line %d: %s\n%w", s.Line, s.Command, err)
		}
	}
	return nil
}

func (m *Machine) step(b *Block, s Step) error {
	sh, err := m.shell(b.Class, s.Root)
	if err != nil {
		return err
	}
	run := sh.run
	if s.Follow {
		run = sh.follow
	}
	out, code, err := run(s.Command)
	if err != nil {
		return err
	}
	out = strings.Trim(out, "\n")
	fmt.Fprintln(m.Log, out)
	lines := strings.Split(out, "\n")
	m.keep(lines)
	if code != s.Code {
		return fmt.Errorf("exit code %d, expected %d; it printed:\n%s", code, s.Code, out)
	}
	if s.Shown && !Same(s.Output, lines) {
		return fmt.Errorf("shown is:\n%s\nit printed:\n%s", strings.Join(s.Output, "\n"), out)
	}
	return nil
}

// file writes a configuration of the page and holds that it is good.
func (m *Machine) file(b *Block) error {
	name := b.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(m.Home, name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(b.Text), 0o644); err != nil {
		return err
	}
	if b.Lang != "xml" {
		return nil
	}
	out, err := exec.Command("hids", "config", "check").CombinedOutput()
	if err != nil {
		return fmt.Errorf("hids config check: %w\n%s", err, out)
	}
	return nil
}

// shell returns the shell for commands of a class, which is kept for the page.
func (m *Machine) shell(class string, root bool) (*shell, error) {
	key := class
	if class != "clone" {
		key = "home"
	}
	key += strconv.FormatBool(root)
	if sh := m.shells[key]; sh != nil {
		return sh, nil
	}
	dir, home, argv := m.Home, "/root", []string{"bash"}
	if !root {
		home = "/home/" + m.User
		dir = home
		argv = []string{"setpriv", "--reuid=" + m.User, "--regid=" + m.User, "--init-groups", "bash"}
	}
	if class == "clone" {
		dir = m.Clone
	}
	sh, err := startShell(argv, dir, home)
	if err != nil {
		return nil, err
	}
	if m.shells == nil {
		m.shells = map[string]*shell{}
	}
	m.shells[key] = sh
	return sh, nil
}

func (m *Machine) close() {
	for _, sh := range m.shells {
		sh.close()
	}
}

// shell is a bash that commands are given to one after the other.
type shell struct {
	argv   []string
	dir    string
	env    []string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	script string // the command of the moment, in a file
}

func startShell(argv []string, dir, home string) (*shell, error) {
	env := []string{"HOME=" + home, "LANG=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	f, err := os.CreateTemp("", "doctest")
	if err != nil {
		return nil, err
	}
	f.Close()
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return nil, err
	}
	sh := &shell{argv: argv, dir: dir, env: env, script: f.Name()}
	sh.cmd = sh.command()
	sh.cmd.Stderr = nil
	if sh.in, err = sh.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := sh.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	sh.out = bufio.NewReader(out)
	return sh, sh.cmd.Start()
}

func (sh *shell) command(args ...string) *exec.Cmd {
	argv := append(slices.Clone(sh.argv), args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = sh.dir, sh.env
	return cmd
}

// run gives the shell a command and reads until it says that it is done.
func (sh *shell) run(command string) (string, int, error) {
	if err := os.WriteFile(sh.script, []byte(command+"\n"), 0o644); err != nil {
		return "", 0, err
	}
	const mark = "\x01done "
	fmt.Fprintf(sh.in, ". %s </dev/null 2>&1\nprintf '\\n\\001done %%d\\n' $?\n", sh.script)
	late := time.AfterFunc(ceiling, func() { _ = sh.cmd.Process.Kill() })
	defer late.Stop()
	var out strings.Builder
	for {
		line, err := sh.out.ReadString('\n')
		if err != nil {
			return out.String(), 0, fmt.Errorf("the shell ended: %w", err)
		}
		if code, done := strings.CutPrefix(line, mark); done {
			n, err := strconv.Atoi(strings.TrimSpace(code))
			return out.String(), n, err
		}
		out.WriteString(line)
	}
}

// follow runs a command that does not end, interrupts it once it has said
// something, and takes being interrupted for success.
func (sh *shell) follow(command string) (string, int, error) {
	cmd := sh.command("-c", "exec "+command)
	r, w, err := os.Pipe()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return "", 0, err
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	first := make([]byte, 4096)
	n, _ := r.Read(first)
	_ = cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(r)
	_ = cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	if code == 130 {
		code = 0
	}
	return string(first[:n]) + string(rest), code, nil
}

func (sh *shell) close() {
	sh.in.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() { _ = sh.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		_ = sh.cmd.Process.Kill()
		<-done
	}
	os.Remove(sh.script)
}

// keep remembers the events among the lines.
func (m *Machine) keep(lines []string) {
	for _, line := range lines {
		if bytes.HasPrefix([]byte(line), []byte(`{"@timestamp"`)) {
			m.events = append(m.events, line)
		}
	}
}
