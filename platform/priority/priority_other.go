// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package priority

import "errors"

func lower() error { return errors.ErrUnsupported }
