// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"

	"hids/platform/paths"
)

// firstUID is the first user id that is given to people.
const firstUID = 500

// lookUp asks the directory: macOS keeps people's accounts out of /etc/passwd.
func lookUp(_ paths.Host, name string) (int, error) {
	u, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return 0, fmt.Errorf("%s %w", name, ErrNoAccount)
	}
	if err != nil {
		return 0, fmt.Errorf("look for the account: %w", err)
	}
	return strconv.Atoi(u.Uid)
}

func system() (dialect, error) { return darwin(), nil }
