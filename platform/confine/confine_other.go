// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package confine

import "errors"

func writes(_, _ []string) error { return errors.ErrUnsupported }
