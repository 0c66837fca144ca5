// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"testing"

	"hids/platform/paths"
)

func TestScriptLayout(t *testing.T) {
	t.Setenv("HIDS_HOME", "")
	tests := []struct{ argv0, home, logged string }{
		{"/opt/ossec/active-response/bin/firewall-drop.sh", "/opt/ossec", "/opt/ossec/active-response/bin/firewall-drop.sh"},
		{"/opt/ossec/active-response/bin/firewall-drop", "/opt/ossec", "/opt/ossec/active-response/bin/firewall-drop.sh"},
		{"/usr/local/bin/firewall-drop.sh", paths.DefaultHome, "/usr/local/bin/firewall-drop.sh"},
		{"host-deny.sh", paths.DefaultHome, paths.DefaultHome + "/active-response/bin/host-deny.sh"},
	}
	for _, tt := range tests {
		layout := scriptLayout(tt.argv0)
		if layout.Home != tt.home {
			t.Errorf("%s: home is %s, want %s", tt.argv0, layout.Home, tt.home)
		}
		if got := scriptPath(tt.argv0, layout); got != tt.logged {
			t.Errorf("%s: logged as %s, want %s", tt.argv0, got, tt.logged)
		}
	}
}
