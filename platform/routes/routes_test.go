// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"hids/platform/command"
)

func TestDialects(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	tests := []struct {
		argv []string
		want string
	}{
		{bsd().add(v4), "route -q -n add -host -inet 192.0.2.7 127.0.0.1 -blackhole"},
		{bsd().del(v6), "route -q -n delete -host -inet6 2001:db8::7 ::1 -blackhole"},
		{windows().add(v4), "route ADD 192.0.2.7/32 0.0.0.0"},
		{windows().add(v6), "route ADD 2001:db8::7/128 ::"},
		{windows().del(v4), "route DELETE 192.0.2.7/32"},
	}
	for _, tt := range tests {
		if got := strings.Join(tt.argv, " "); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestHarmlessFailure(t *testing.T) {
	answer := func(said string) command.Func {
		return func(context.Context, []string, []byte) (command.Result, error) {
			return command.Result{Code: 1, Stderr: []byte(said)}, nil
		}
	}
	if err := do(t.Context(), answer("route: File exists"), []string{"route"}, "File exists"); err != nil {
		t.Errorf("a route that is there: %v", err)
	}
	if do(t.Context(), answer("route: Permission denied"), []string{"route"}, "File exists") == nil {
		t.Error("a real failure is no error")
	}
}
