// SPDX-License-Identifier: Apache-2.0

//go:build unix

package fswatch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// limit marks the errors that mean "no more watches": ENOSPC for
// max_user_watches, EMFILE for max_user_instances and for descriptors,
// inotify_add_watch(2), inotify_init(2).
func limit(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w: %w", ErrLimit, err)
	}
	return err
}
