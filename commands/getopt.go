// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"fmt"
	"strings"
)

// option is one option of OSSEC's daemons, with its value.
type option struct {
	letter byte
	value  string
}

// getopt reads short options as getopt(3) does: they may stand together, a
// value may stick to its letter, "--" ends them, and other words are passed
// over. The options before a fault are returned with it.
func getopt(known string, words []string) ([]option, error) {
	var opts []option
	for len(words) > 0 && words[0] != "--" {
		w := words[0]
		words = words[1:]
		if len(w) < 2 || w[0] != '-' {
			continue
		}
		cluster, rest, err := getoptWord(known, w[1:], words)
		opts, words = append(opts, cluster...), rest
		if err != nil {
			return opts, err
		}
	}
	return opts, nil
}

// getoptWord reads the letters of one word. It returns the words that are left
// after a value was taken.
func getoptWord(known, letters string, words []string) ([]option, []string, error) {
	var opts []option
	for i := range len(letters) {
		c := letters[i]
		k := strings.IndexByte(known, c)
		if k < 0 || c == ':' {
			return opts, words, fmt.Errorf("invalid option -- %q", c)
		}
		if !strings.HasPrefix(known[k+1:], ":") {
			opts = append(opts, option{letter: c})
			continue
		}
		value := letters[i+1:]
		if value == "" {
			if len(words) == 0 {
				return opts, words, fmt.Errorf("option requires an argument -- %q", c)
			}
			value, words = words[0], words[1:]
		}
		return append(opts, option{c, value}), words, nil
	}
	return opts, words, nil
}
