// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"

	windowsapi "golang.org/x/sys/windows"

	"hids/platform/paths"
)

// firstUID is the first relative id that is given to people; 500 to 999 are
// Administrator, Guest and their like.
const firstUID = 1000

// lookUp returns the relative id, the last part of the account's SID.
func lookUp(_ paths.Host, name string) (int, error) {
	u, err := user.Lookup(name)
	if errors.Is(err, windowsapi.ERROR_NONE_MAPPED) { // os/user hands it on as it is
		return 0, fmt.Errorf("%s %w", name, ErrNoAccount)
	}
	if err != nil {
		return 0, fmt.Errorf("look for the account: %w", err)
	}
	return strconv.Atoi(u.Uid[strings.LastIndexByte(u.Uid, '-')+1:])
}

func system() (dialect, error) { return windows(), nil }
