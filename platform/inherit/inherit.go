// SPDX-License-Identifier: Apache-2.0

// Package inherit takes over the descriptors that a parent process has left
// open for this one, and limits what a daemon's process does by accident.
package inherit

import (
	"fmt"
	"os"
	"strings"
)

// Files returns the descriptors from 3 on under the names in the environment
// variable env, "a:b:c", and removes the variable. Programs started later
// inherit neither. It returns nil when the variable is not set.
func Files(env string) (map[string]*os.File, error) {
	list := os.Getenv(env)
	if list == "" {
		return nil, nil
	}
	if err := os.Unsetenv(env); err != nil {
		return nil, err
	}
	files := map[string]*os.File{}
	for i, name := range strings.Split(list, ":") {
		f, err := take(3+i, name)
		if err != nil {
			return nil, fmt.Errorf("take over inherited %s: %w", name, err)
		}
		files[name] = f
	}
	return files, nil
}
