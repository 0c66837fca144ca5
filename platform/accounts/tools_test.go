// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"strings"
	"testing"
)

func TestDialects(t *testing.T) {
	tests := []struct {
		name         string
		dialect      dialect
		lock, unlock string
	}{
		{"freebsd", freeBSD(), "pw lock bob", "pw unlock bob"},
		{"openbsd", openBSD(), "usermod -Z bob", "usermod -U bob"},
		{"netbsd", netBSD(), "usermod -C yes bob", "usermod -C no bob"},
		{"darwin", darwin(), "pwpolicy -u bob -disableuser", "pwpolicy -u bob -enableuser"},
		{"windows", windows(), "net user bob /active:no", "net user bob /active:yes"},
	}
	for _, tt := range tests {
		if got := strings.Join(tt.dialect.lock("bob"), " "); got != tt.lock {
			t.Errorf("%s: lock is %q", tt.name, got)
		}
		if got := strings.Join(tt.dialect.unlock("bob"), " "); got != tt.unlock {
			t.Errorf("%s: unlock is %q", tt.name, got)
		}
	}
}
