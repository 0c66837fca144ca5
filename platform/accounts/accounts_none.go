// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !freebsd && !openbsd && !netbsd && !darwin && !windows

package accounts

import (
	"errors"

	"hids/platform/paths"
)

const firstUID = 1000

func lookUp(host paths.Host, name string) (int, error) { return passwdUID(host, name) }

func system() (dialect, error) { return dialect{}, errors.ErrUnsupported }
