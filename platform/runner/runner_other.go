// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package runner

import (
	"errors"
	"os"
)

type groupSignal int

const (
	terminate groupSignal = iota
	kill
)

// Prepare does nothing: children inherit only what they are given.
func Prepare() error { return nil }

func spawn(Spec, *os.File, *os.File) (*os.Process, error) { return nil, errors.ErrUnsupported }

func signalGroup(p *os.Process, _ groupSignal) { _ = p.Kill() }

func exitStatus(state *os.ProcessState) (int, string) { return state.ExitCode(), "" }

func inputPipe() (read, write *os.File, err error) { return os.Pipe() }

func outputPipe() (read, write *os.File, err error) { return os.Pipe() }

func readNow(*os.File, []byte) (int, error) { return 0, errors.ErrUnsupported }
