// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package privdrop

import (
	"errors"
	"fmt"
	"os/exec"
)

func identity(_ *exec.Cmd, p Plan) error {
	if p.UID < 0 && p.GID < 0 {
		return nil
	}
	return fmt.Errorf("start as another user: %w", errors.ErrUnsupported)
}
