// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The exit codes of every hids command. Under the ossec-* names OSSEC's own
// codes hold instead.
const (
	exitOK          = 0   // done, nothing differs
	exitDiffers     = 1   // differences or findings
	exitUsage       = 2   // usage or configuration error
	exitPartial     = 3   // part of the work, or all of it, could not be done
	exitUnreachable = 4   // the daemon could not be reached
	exitInterrupted = 130 // interrupted
)

// exitHelp ends every --help.
const exitHelp = `Exit codes:
  0    done, nothing differs
  1    differences or findings
  2    usage or configuration error
  3    part of the work could not be done
  4    the daemon could not be reached
  130  interrupted`

// codedError carries the exit code an error stands for, and what the operator
// can do about it. A nil err ends the program with the code and no message.
type codedError struct {
	code  int
	err   error
	hints []string
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

// exitWith ends the program with a code and no message: the answer is on
// stdout already.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return &codedError{code: code}
}

// failWith ends the program with a code, a one-line message and hints that say
// what to type.
func failWith(code int, err error, hints ...string) error {
	return &codedError{code: code, err: err, hints: hints}
}

// usageError is a mistake in the words or flags of a command.
func usageError(format string, args ...any) error {
	return failWith(exitUsage, fmt.Errorf(format, args...), "see --help for usage")
}

// finish prints what is left to say about err and returns the exit code.
func finish(stderr io.Writer, name string, err error) int {
	if err == nil {
		return exitOK
	}
	coded, ok := errors.AsType[*codedError](err)
	if ok && coded.err == nil {
		return coded.code
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "%s: interrupted\n", name)
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if !ok {
		return exitPartial
	}
	for _, hint := range coded.hints {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return coded.code
}
