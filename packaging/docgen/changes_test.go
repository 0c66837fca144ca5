// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// TestChangeFiles holds the form of the files of changes: without it a change
// would be left out of the changelog, or stand in it under no heading.
func TestChangeFiles(t *testing.T) {
	var tool struct {
		Kinds []struct {
			Label string
		}
	}
	read(t, "../../.changie.yaml", &tool, false)
	var kinds []string
	for _, k := range tool.Kinds {
		kinds = append(kinds, k.Label)
	}
	entries, err := os.ReadDir("../changes/unreleased")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join("../changes/unreleased", e.Name())
		if filepath.Ext(name) != ".yaml" {
			t.Errorf("%s: changie reads *.yaml only", name)
			continue
		}
		var change struct {
			Kind, Body string
			Time       time.Time
		}
		read(t, name, &change, true)
		body := strings.TrimSuffix(change.Body, "\n")
		switch {
		case !slices.Contains(kinds, change.Kind):
			t.Errorf("%s: kind is %q, want one of %v", name, change.Kind, kinds)
		case !strings.HasSuffix(body, ".") || strings.Contains(body, "\n") || strings.TrimSpace(body) != body:
			t.Errorf("%s: the body is one paragraph with a full stop; it is %q", name, body)
		case change.Time.IsZero():
			t.Errorf("%s: no time; changes stand in its order", name)
		}
	}
}

func read(t *testing.T, name string, into any, strict bool) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(strict)
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// TestChangelogHeader holds that CHANGELOG.md is what changie makes: nobody
// writes into it by hand, or the next release would throw that away.
func TestChangelogHeader(t *testing.T) {
	var parts []string
	versions, err := filepath.Glob("../changes/v*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"../changes/header.md"}, versions...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(text))
	}
	log, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, part := range parts {
		if !strings.Contains(string(log), strings.TrimSpace(part)) {
			t.Errorf("CHANGELOG.md lacks this; make changelog writes it:\n%s", part)
		}
		size += len(strings.Fields(part))
	}
	if got := len(strings.Fields(string(log))); got != size {
		t.Errorf("CHANGELOG.md has %d words, its parts have %d: a change belongs into packaging/changes/unreleased", got, size)
	}
}
