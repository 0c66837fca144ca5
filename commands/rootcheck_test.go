// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hids/config"
	"hids/modules/rootcheck"
	"hids/platform/paths"
)

// TestEveryCheckHasASwitch switches each check off in hids.conf, and finds it
// in the manual.
func TestEveryCheckHasASwitch(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "docs", "rootcheck.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rootcheck.Checks(paths.Layout{}) {
		file := filepath.Join(t.TempDir(), "hids.conf")
		text := "<ossec_config><rootcheck><check_" + c.Name + ">no</check_" + c.Name + "></rootcheck></ossec_config>"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, faults := config.Load(t.Context(), config.LoadOptions{HidsConf: file})
		if cfg == nil {
			t.Errorf("check_%s: %v", c.Name, faults)
			continue
		}
		left, err := rootcheck.Select(rootcheck.Checks(paths.Layout{}), &cfg.Rootcheck, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range left {
			if l.Name == c.Name {
				t.Errorf("check_%s=no leaves it on", c.Name)
			}
		}
		if !strings.Contains(string(manual), "| `"+c.Name+"` |") {
			t.Errorf("docs/rootcheck.md does not have %s", c.Name)
		}
	}
}
