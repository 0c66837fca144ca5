// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"strings"
	"testing"
)

// TestEveryOptionIsDocumented keeps docs/configure.md complete.
func TestEveryOptionIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/configure.md")
	if err != nil {
		t.Fatal(err)
	}
	l := &loader{cfg: Default()}
	all := names(l.syscheckElements(), l.syscheckOwn(), l.rootcheckElements(), l.rootcheckOwn(), l.responseOwn(), l.settingsElements())
	all = append(all, meaningless...)
	for name := range checkBits {
		all = append(all, name)
	}
	for _, name := range append(all, directoryAttrs...) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not in docs/configure.md", name)
		}
	}
}
