// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/plant"
	"hids/platform/proc"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeLink(t *testing.T, path, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// hook hides what is called $HIDE_NAME from every folder: a user-land rootkit.
const hook = `
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static int hide(const char *name) {
	const char *want = getenv("HIDE_NAME");
	return want && strcmp(name, want) == 0;
}
struct dirent *readdir(DIR *d) {
	struct dirent *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir"), *e;
	while ((e = real(d)) && hide(e->d_name)) {}
	return e;
}
struct dirent64 *readdir64(DIR *d) {
	struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir64"), *e;
	while ((e = real(d)) && hide(e->d_name)) {}
	return e;
}
`

// buildHook compiles the rootkit, or leaves the test out.
func buildHook(t *testing.T) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	dir := t.TempDir()
	source, lib := filepath.Join(dir, "hook.c"), filepath.Join(dir, "hook.so")
	writeFile(t, source, hook)
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-o", lib, source, "-ldl").CombinedOutput(); err != nil {
		testenv.Skip(t, "gcc: "+string(out))
	}
	return lib
}

func TestReaddirHook(t *testing.T) {
	lib := buildHook(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "visible"), "")
	writeFile(t, filepath.Join(dir, "hidden"), "")
	env := append(cleanEnv(), "LD_PRELOAD="+lib)

	found := run(t, "tools", tools{dirs: []string{dir}, envs: [][]string{append(env, "HIDE_NAME=hidden")}}.run, paths.Host{})
	if len(found) != 1 {
		t.Errorf("%+v", found)
	}
	f := want(t, found, "ls", filepath.Join(dir, "hidden"))
	if f.Kind != check.Rootkit || f.Wire != "System tools do not list '"+filepath.Join(dir, "hidden")+"'. Possible user level rootkit (library preload)." {
		t.Errorf("%+v", f)
	}

	if tool("ps") == "" {
		testenv.Skip(t, "no ps")
	}
	pid := plant.Start(t, "/bin/cat", []string{"cat"}, nil)
	found = run(t, "tools", tools{envs: [][]string{append(env, "HIDE_NAME="+strconv.Itoa(pid))}}.run, paths.Host{})
	if len(found) != 1 || found[0].Wire != "Process '"+strconv.Itoa(pid)+"' hidden from ps. Possible trojaned version installed." {
		t.Errorf("pid %d: %+v", pid, found)
	}
}

func TestForeignCode(t *testing.T) {
	maps := `00400000-00500000 r-xp 00000000 fe:00 99   /usr/bin/hids (deleted)
00500000-00600000 r--p 00000000 fe:00 98   /usr/share/zoneinfo/UTC
c000000000-c000400000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 r-xp 00000000 fe:00 97   /usr/lib/hook.so
7f0000002000-7f0000003000 rwxp 00000000 00:00 0
7ffd1000-7ffd2000 r-xp 00000000 00:00 0   [vdso]
`
	got := foreignCode(proc.ParseMaps([]byte(maps)), "/usr/bin/hids")
	if !slices.Equal(got, []string{"/usr/lib/hook.so", "memory without a file"}) {
		t.Errorf("foreign code %q", got)
	}
}

// TestSelf: this test binary is clean, if it is static as hids is.
func TestSelf(t *testing.T) {
	s, found := newScan("self", paths.Host{})
	if err := selfCheck(t.Context(), s); err != nil {
		t.Skip(err) // a build with cgo has an interpreter: nothing to test there
	}
	if len(*found) != 0 {
		t.Errorf("%+v", *found)
	}
}
