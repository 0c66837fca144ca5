// SPDX-License-Identifier: Apache-2.0

package baseline

import "strings"

// AppendKey appends the key of path to b: the path with each separator as a
// NUL, which no name holds. The order of keys is that of a walk.
func AppendKey(b []byte, path string) []byte {
	at := len(b)
	b = append(b, path...)
	for i := at; i < len(b); i++ {
		if b[i] == '/' {
			b[i] = 0
		}
	}
	return b
}

func key(path string) []byte { return AppendKey(nil, path) }

// PathOf returns the path of a key.
func PathOf(key []byte) string { return strings.ReplaceAll(string(key), "\x00", "/") }

// keyEnd returns a key after those of path and all below it, and before any
// other: below a path, its key goes on with a NUL.
func keyEnd(path string) []byte {
	k := key(strings.TrimSuffix(path, "/"))
	return append(k, 1)
}
