// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package firewall

import (
	"context"
	"errors"
	"fmt"
)

func watch(context.Context) (*Watcher, error) {
	return nil, fmt.Errorf("watch the packet filter: %w", errors.ErrUnsupported)
}
