// SPDX-License-Identifier: Apache-2.0

// Package command runs the system's own tools (iptables, usermod, pfctl …) for
// the packages that configure the host: by argument vector, never through a
// shell, from fixed folders, with a fixed environment, a deadline and a limit on
// the output. Active response programs are not run here but by execd.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Timeout ends a tool that has not ended by itself.
const Timeout = 30 * time.Second

// maxOutput is how much of each output stream is kept, in bytes.
const maxOutput = 1 << 20

// Func runs one tool. argv[0] is the tool's base name. An exit code other than
// 0 is a Result, not an error; the error says that the tool could not be run
// to its end, and is exec.ErrNotFound when the host does not have it.
type Func func(ctx context.Context, argv []string, stdin []byte) (Result, error)

// Result is how a tool ended.
type Result struct {
	Code   int
	Stdout []byte
	Stderr []byte
}

// Err turns a failed Result into an error that quotes the tool's first line.
func (r Result) Err(argv []string) error {
	if r.Code == 0 {
		return nil
	}
	said := strings.TrimSpace(string(r.Stderr))
	if said == "" {
		said = strings.TrimSpace(string(r.Stdout))
	}
	said, _, _ = strings.Cut(said, "\n")
	return fmt.Errorf("%s ended with exit code %d: %q", strings.Join(argv, " "), r.Code, said)
}

// folders is where tools are looked for; the caller's PATH is not trusted.
func folders() []string {
	return []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"}
}

// Run is the Func that really runs.
func Run(ctx context.Context, argv []string, stdin []byte) (Result, error) {
	path, err := find(argv[0])
	if err != nil {
		return Result{}, err
	}
	return runPath(ctx, path, argv, stdin)
}

// RunPath runs an admin's own program, named by its absolute path, in the same
// way. The environment and the limits are those of Run.
func RunPath(ctx context.Context, argv []string, stdin []byte) (Result, error) {
	if !filepath.IsAbs(argv[0]) {
		return Result{}, fmt.Errorf("run %s: write the command with its absolute path", argv[0])
	}
	return runPath(ctx, argv[0], argv, stdin)
}

func runPath(ctx context.Context, path string, argv []string, stdin []byte) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	stdout, stderr := &capped{}, &capped{}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = slices.Clone(argv)
	cmd.Dir = string(filepath.Separator)
	cmd.Env = environment()
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// A tool's own children may keep its output open after it is gone.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	result := Result{Stdout: stdout.kept, Stderr: stderr.kept}
	if ctx.Err() != nil {
		return result, fmt.Errorf("run %s: %w", argv[0], ctx.Err())
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		result.Code = exit.ExitCode()
		return result, nil
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return result, fmt.Errorf("run %s: %w", argv[0], err)
	}
	return result, nil
}

// find returns where a tool is, by its base name.
func find(name string) (string, error) {
	if filepath.Base(name) != name {
		return "", fmt.Errorf("run %s: %w", name, exec.ErrNotFound)
	}
	for _, dir := range folders() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return systemTool(name)
}

func environment() []string {
	env := []string{"LC_ALL=C", "PATH=" + strings.Join(folders(), ":")}
	return append(env, systemEnvironment()...)
}

// capped keeps the first maxOutput bytes and takes the rest without keeping it.
type capped struct{ kept []byte }

func (c *capped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[:min(maxOutput-len(c.kept), len(p))]...)
	return len(p), nil
}
