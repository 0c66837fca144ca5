// SPDX-License-Identifier: Apache-2.0

package tcpwrap

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hids/platform/paths"
)

const admins = "# what the admin wrote\nsshd: 198.51.100.0/24 \\\n   203.0.113.\nALL:192.0.2.70\n"

var (
	v4 = netip.MustParseAddr("192.0.2.7")
	v6 = netip.MustParseAddr("2001:db8::7")
)

func TestStyles(t *testing.T) {
	tests := []struct {
		name, text, client, want string
		style                    style
	}{
		{"append", admins, "192.0.2.7", admins + "ALL:192.0.2.7\n", common()},
		{"IPv6", admins, "[2001:db8::7]", admins + "ALL:[2001:db8::7]\n", common()},
		{"no file", "", "192.0.2.7", "ALL:192.0.2.7\n", common()},
		{"there already", "ALL:192.0.2.7 \n", "192.0.2.7", "ALL:192.0.2.7 \n", common()},
		{"no last newline", "sshd: ALL", "192.0.2.7", "sshd: ALL\nALL:192.0.2.7\n", common()},
		{"last line goes on", "sshd: a \\\n", "192.0.2.7", "sshd: a \\\n\nALL:192.0.2.7\n", common()},
		{"FreeBSD", "ALL : ALL : allow\n", "192.0.2.7", "ALL : 192.0.2.7 : deny\nALL : ALL : allow\n", freeBSD()},
	}
	for _, tt := range tests {
		line := tt.style.line(tt.client)
		got := tt.style.add([]byte(tt.text), line)
		if string(got) != tt.want {
			t.Errorf("%s:\n%swant:\n%s", tt.name, got, tt.want)
		}
		if again := tt.style.add(got, line); !bytes.Equal(again, got) {
			t.Errorf("%s, added again:\n%s", tt.name, again)
		}
		if rest := remove(got, line); strings.Contains(string(rest), line+"\n") {
			t.Errorf("%s, removed:\n%s", tt.name, rest)
		}
	}
}

func open(t *testing.T, text string) (*Table, string) {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, hostStyle().path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return Open(paths.Host{Root: root}, filepath.Join(root, "state", "lock")), path
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDenyAndAllow(t *testing.T) {
	table, path := open(t, admins)
	for range 2 {
		for _, do := range []func(context.Context, netip.Addr) error{table.Deny, table.Allow} {
			if err := do(t.Context(), v4); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := contents(t, path); got != admins {
		t.Errorf("the admin's lines have changed:\n%s", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want the old one", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A link stays a link: the file it leads to is edited.
func TestLink(t *testing.T) {
	table, path := open(t, admins)
	target := path + ".real"
	if err := os.Rename(path, target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := table.Deny(t.Context(), v6); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("no link any more: %v, %v", info.Mode(), err)
	}
	if got := contents(t, target); !strings.HasSuffix(got, "[2001:db8::7]\n") && !strings.HasPrefix(got, "ALL : [") {
		t.Errorf("the target has:\n%s", got)
	}
}

func TestConcurrentEdits(t *testing.T) {
	table, path := open(t, admins)
	var wg sync.WaitGroup
	for i := range 20 {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)})
		wg.Go(func() {
			if err := table.Deny(context.WithoutCancel(t.Context()), addr); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, want := strings.Count(contents(t, path), "\n"), strings.Count(admins, "\n")+20; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
}

// A file that can't be replaced keeps its content.
func TestNotAFile(t *testing.T) {
	table, path := open(t, admins)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := table.Deny(t.Context(), v4); err == nil {
		t.Error("a folder was taken for the file")
	}
}
