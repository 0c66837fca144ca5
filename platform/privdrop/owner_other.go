// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package privdrop

import "errors"

// Owner is for systems whose users have numbers.
func Owner(string) (uid, gid int, err error) { return 0, 0, errors.ErrUnsupported }
