// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hids/internal/testenv"
)

// RPM builds a package of files, by path, and returns its file. A path with %d
// stands for 300 files, more than fit a page of a database.
func RPM(t testing.TB, name string, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		testenv.Skip(t, err.Error())
	}
	top := t.TempDir()
	var install, list strings.Builder
	for path, text := range files {
		count := 1
		if strings.Contains(path, "%d") {
			count = 300
		}
		for i := range count {
			p := strings.ReplaceAll(path, "%d", fmt.Sprint(i))
			source := filepath.Join(top, "source", p)
			write(t, source, text)
			fmt.Fprintln(&list, p)
		}
	}
	fmt.Fprintf(&install, "mkdir -p %%{buildroot}\ncp -a %s/. %%{buildroot}\n", filepath.Join(top, "source"))
	write(t, filepath.Join(top, "list"), list.String())
	write(t, filepath.Join(top, "spec"), fmt.Sprintf(`Name: %s
Version: 1
Release: 1
Summary: planted by a test
License: none
BuildArch: noarch
%%description
planted by a test
%%install
%s
%%files -f %s
`, name, install.String(), filepath.Join(top, "list")))
	cmd := exec.CommandContext(t.Context(), "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "_binary_payload w0.gzdio",
		"--define", "__os_install_post %{nil}", "--define", "_smp_build_ncpus 1", filepath.Join(top, "spec"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	return filepath.Join(top, "RPMS", "noarch", name+"-1-1.noarch.rpm")
}

// InstallRPM installs packages below a root.
func InstallRPM(t testing.TB, root string, packages ...string) {
	t.Helper()
	args := append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "--noscripts", "--nosignature", "-i"}, packages...)
	if out, err := exec.CommandContext(t.Context(), "rpm", args...).CombinedOutput(); err != nil {
		t.Fatalf("rpm: %v\n%s", err, out)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
