// SPDX-License-Identifier: Apache-2.0

// Docgen writes the man pages and the shell completions of hids, with a fixed
// date, so that the same tree gives the same bytes: the pages of commands from
// the command tree, those of file formats from pages of docs.
//
//	go run ./packaging/docgen packaging
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"hids/commands"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1], "docs"); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// generate writes man/* and completions/* below dir; pages is where docs are.
func generate(dir, pages string) error {
	root := commands.Tree()
	root.DisableAutoGenTag = true
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := manPages(root, man); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	if err := formats(pages, man); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	if err := completion(root, completions); err != nil {
		return fmt.Errorf("write completions: %w", err)
	}
	return nil
}

func manPages(root *cobra.Command, dir string) error {
	date := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1",
		Date:    &date,
		Source:  "hids",
		Manual:  "Host intrusion detection",
	}, dir)
}

func completion(root *cobra.Command, dir string) error {
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, "hids.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "_hids")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(dir, "hids.fish"), true)
}
