// SPDX-License-Identifier: Apache-2.0

package accounts

import "hids/platform/paths"

// firstUID is the first user id that is given to people.
const firstUID = 1000

func lookUp(host paths.Host, name string) (int, error) { return passwdUID(host, name) }

func system() (dialect, error) { return openBSD(), nil }
