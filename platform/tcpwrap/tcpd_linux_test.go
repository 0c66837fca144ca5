// SPDX-License-Identifier: Apache-2.0

package tcpwrap

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"hids/internal/testenv"
)

var access = regexp.MustCompile(`(?m)^access:\s+(\w+)`)

// ask has TCP wrappers itself judge an address by the files in a folder.
func ask(t *testing.T, dir, addr string) string {
	t.Helper()
	cmd := exec.Command("tcpdmatch", "-d", "sshd", addr)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput() // its exit code says nothing
	m := access.FindSubmatch(out)
	if m == nil {
		t.Fatalf("tcpdmatch says of %s:\n%s", addr, out)
	}
	return string(m[1])
}

func TestTCPWrappersUnderstand(t *testing.T) {
	if _, err := exec.LookPath("tcpdmatch"); err != nil {
		testenv.Skip(t, "needs tcpdmatch (package tcpd)")
	}
	table, path := open(t, "telnetd: ALL\n")
	dir := filepath.Dir(path)
	for _, addr := range []string{"192.0.2.7", "2001:db8::7"} {
		if got := ask(t, dir, addr); got != "granted" {
			t.Errorf("%s before: %s", addr, got)
		}
		if err := table.Deny(t.Context(), netip.MustParseAddr(addr)); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, dir, addr); got != "denied" {
			t.Errorf("%s denied: %s", addr, got)
		}
		if err := table.Allow(t.Context(), netip.MustParseAddr(addr)); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, dir, addr); got != "granted" {
			t.Errorf("%s allowed again: %s", addr, got)
		}
	}
}
