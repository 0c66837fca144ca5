// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"io"
	"strings"
)

// memory is a host on which every path is a file with the same content.
type memory string

func (m memory) Exists(string) bool { return true }

func (m memory) Open(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(m))), nil
}

func (m memory) Walk(_ context.Context, dir string, fn func(path, base string)) error {
	fn(dir+"/y", "y")
	return nil
}

func (m memory) Processes() ([]string, error) { return []string{"bash"}, nil }

func (m memory) Registry(string, string, func(string) bool) (bool, error) {
	return false, errors.ErrUnsupported
}
