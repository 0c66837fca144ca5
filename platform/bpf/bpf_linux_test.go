// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"hids/internal/testenv"
	"hids/platform/plant"
)

// TestProgramsSeesALoadedOne loads the smallest program there is.
func TestProgramsSeesALoadedOne(t *testing.T) {
	testenv.Root(t)
	plant.BPF(t, "hids_planted")
	list, err := Programs()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		testenv.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(p Program) bool { return p.Name == "hids_planted" && p.Type == "socket_filter" }) {
		t.Errorf("the program is missing from %+v", list)
	}
	if _, err := Links(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func BenchmarkPrograms(b *testing.B) {
	for b.Loop() {
		if _, err := Programs(); err != nil {
			b.Skip(err)
		}
	}
}
