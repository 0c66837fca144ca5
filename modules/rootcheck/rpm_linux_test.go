// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
	"hids/platform/paths"
	planted "hids/platform/plant"
)

// TestOnRPM: on a system of rpm packages an exchanged program is found, a
// genuine one is not whatever words are in it, and a setuid program is known by
// its package.
func TestOnRPM(t *testing.T) {
	testenv.Root(t)
	const words = "\x00/dev/ptyxx/.proc\x00" // of the built-in list
	root := t.TempDir()
	planted.InstallRPM(t, root, planted.RPM(t, "coreutils", map[string]string{
		"/usr/bin/ls": "genuine\n", "/usr/bin/ps": words, "/usr/bin/login": "genuine\n", "/usr/bin/su": "genuine\n",
	}))
	plant{"usr/bin/login": "exchanged", "usr/bin/pstree": words, "usr/bin/copy": "shell", "bin": "-> usr/bin"}.in(t, root)
	for _, name := range []string{"su", "copy"} {
		must(t, os.Chmod(filepath.Join(root, "usr/bin", name), os.ModeSetuid|0o755))
	}
	findings, outcomes := scanHost(t, paths.Host{Root: root}, &config.Rootcheck{}, "trojans", "filesystem")
	want := []string{"package-checksum /bin/login", "signature /bin/pstree", "unowned /usr/bin/copy"}
	if diff := cmp.Diff(want, things(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.State != Done }) {
		t.Errorf("outcomes %+v", outcomes)
	}
}
