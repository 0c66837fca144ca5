// SPDX-License-Identifier: Apache-2.0

// Docrun runs the blocks of pages that belong to a class, on this machine, and
// fails where a page says something else than what happens. It changes the
// machine; see internal/doctest.
//
//	docrun CLASS[,CLASS...] PAGE...
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hids/internal/doctest"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: docrun CLASS[,CLASS...] PAGE...")
		os.Exit(2)
	}
	if err := run(strings.Split(os.Args[1], ","), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(classes, pages []string) error {
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		blocks, faults := doctest.Parse(filepath.Base(page), string(text))
		if len(faults) > 0 {
			return errors.Join(faults...)
		}
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		m := &doctest.Machine{Home: dir, User: "user", Clone: "/home/user/hids", Log: os.Stderr}
		if err := m.Run(blocks, classes); err != nil {
			return err
		}
	}
	return nil
}
