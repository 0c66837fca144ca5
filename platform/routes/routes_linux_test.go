// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"hids/internal/netnstest"
	"hids/platform/command"
)

func TestMain(m *testing.M) {
	os.Exit(netnstest.Main(m, map[string]netnstest.Role{"add": role(Blackhole), "delete": role(Restore)}))
}

func role(do func(context.Context, command.Func, netip.Addr) error) netnstest.Role {
	return func(args []string, _ *bufio.Reader, _ io.Writer) error {
		var faults []error
		for _, addr := range args {
			faults = append(faults, do(context.Background(), command.Run, netip.MustParseAddr(addr)))
		}
		return errors.Join(faults...)
	}
}

func TestBlackhole(t *testing.T) {
	n := netnstest.New(t)
	n.Serve()
	addrs := []string{netnstest.V4("2"), netnstest.V6("2")}
	n.Open(addrs...)
	n.Do(n.Victim, "add", addrs...)
	n.Do(n.Victim, "add", addrs...) // again: nothing to do
	n.Blocked(addrs...)
	n.Open(netnstest.V4("3"), netnstest.V6("3"))
	n.Do(n.Victim, "delete", addrs...)
	n.Do(n.Victim, "delete", addrs...)
	n.Open(addrs...)
}

// The admin's own route to just this address is neither lost nor taken for ours.
func TestOtherRoute(t *testing.T) {
	n := netnstest.New(t)
	for addr, more := range map[string]string{"192.0.2.7": "", "2001:db8::7": "", "192.0.2.8": "proto static", "2001:db8::8": "proto static", "2001:db8::9": "metric 10"} {
		route := append([]string{"ip", "route", "add", addr, "dev", "eth0"}, strings.Fields(more)...)
		if out, err := n.Exec(n.Victim, route...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := n.Try(n.Victim, "add", addr); err == nil || !strings.Contains(err.Error(), "another route") {
			t.Errorf("add %s: %v", addr, err)
		}
		n.Do(n.Victim, "delete", addr)
		out, err := n.Exec(n.Victim, "ip", "route", "get", addr).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "dev eth0") {
			t.Errorf("route to %s: %v: %s", addr, err, out)
		}
	}
}
